// Debts behind those of an earlier process that nobody took: one after the other, within the ceilings of one room.
//
// Pure values, any thread. What was there first stays whole; newer debts past a ceiling are dropped and counted.
// SPDX-License-Identifier: Apache-2.0

/// What may be put aside for one room, where it is not the only thing there.
struct DebtCeilings: Sendable {
    /// Unfinished commands.
    var commandCount: Int
    /// Undelivered commands, and as many ends that nobody heard.
    var keptCount: Int
    var keptBytes: Int
}

extension RoomDebts {
    /// Both, the earlier ones first; and how many of these did not fit.
    func behind(_ earlier: RoomDebts, _ ceilings: DebtCeilings) -> (debts: RoomDebts, droppedCount: Int) {
        if earlier.isEmpty { return (self, 0) }
        var all = earlier
        var droppedCount = 0
        let places = Dictionary(zip(earlier.commands.map(\.id), earlier.commands.indices), uniquingKeysWith: { first, _ in first })
        for command in commands {
            // The same command, sent again while the earlier debts were not known: what is known of it now counts.
            if let known = places[command.id] {
                all.commands[known] = command
            } else if all.commands.count < ceilings.commandCount {
                all.commands.append(command)
            } else {
                droppedCount += 1
            }
        }
        droppedCount += Self.append(undelivered, to: &all.undelivered, ceilings)
        droppedCount += Self.append(unheard, to: &all.unheard, ceilings)
        // Extensions that are away now are away once.
        let now = absent
        all.absent = now + earlier.absent.filter { !now.contains($0) }
        return (all, droppedCount)
    }

    /// In order: behind one that does not fit none does.
    private static func append(_ newer: [[UInt8]], to payloads: inout [[UInt8]], _ ceilings: DebtCeilings) -> Int {
        var bytes = payloads.reduce(0) { $0 + $1.count }
        for (i, payload) in newer.enumerated() {
            bytes += payload.count
            guard payloads.count < ceilings.keptCount, bytes <= ceilings.keptBytes else { return newer.count - i }
            payloads.append(payload)
        }
        return 0
    }
}
