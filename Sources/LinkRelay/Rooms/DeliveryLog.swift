// Which commands an extension has been sent but not yet proved to have received.
//
// TCP tells nobody what the far application read, so the proof is a ping sent after the command: its pong shows that everything before it
// arrived. When the connection dies first, what is unproved is sent again to the same install's next connection, in order.
// Loop thread; holds one reference per kept message. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

final class DeliveryLog {
    struct Entry {
        var command: FramedPayload
        /// Kept here, so that forgetting an entry does not touch its message before the release.
        let byteCount: UInt32
        /// The room's sequence number of the command.
        var sequence: UInt64

        init(command: FramedPayload, sequence: UInt64) {
            self.command = command
            self.sequence = sequence
            byteCount = UInt32(clamping: command.byteCount)
        }
    }

    private var entries: ContiguousArray<Entry> = []
    private var head = 0
    private(set) var byteCount = 0
    /// Everything up to this sequence is proved once the outstanding barrier is answered.
    private var barrierSequence: UInt64 = 0
    /// The barrier's own number, echoed by a native peer's pong.
    private(set) var barrierNumber: UInt64 = 0
    private(set) var isBarrierOut = false
    private var lastBarrierMs: UInt64 = 0
    /// A postponed barrier is scheduled.
    var isBarrierDue = false

    /// Barriers are at least this far apart, or this many commands: at 10,000 commands a second one a round trip cost as much as
    /// the commands (2.0 against 1.4 µs of CPU a command, pair rooms at 200 bytes).
    static let barrierGapMs: UInt64 = 20
    static let barrierGapCount = 64
    private static let lookahead = 6

    var count: Int { entries.count - head }
    var isEmpty: Bool { count == 0 }

    /// Takes over the caller's reference. Past the ceilings the oldest entry is given up: the room's ledger still ends it.
    func note(_ command: FramedPayload, sequence: UInt64, countCeiling: Int, byteCeiling: Int) {
        let entry = Entry(command: command, sequence: sequence)
        entries.append(entry)
        byteCount += Int(entry.byteCount)
        while count > countCeiling || (byteCount > byteCeiling && count > 1) { dropFirst() }
    }

    enum BarrierAdvice { case nothing, now, later }

    /// Whether a barrier should be sent now (then everything noted so far rides on it), or after `barrierGapMs`.
    func beginBarrier(nowMs: UInt64) -> BarrierAdvice {
        guard !isBarrierOut, count > 0, let last = entries.last else { return .nothing }
        if count < Self.barrierGapCount, nowMs &- lastBarrierMs < Self.barrierGapMs {
            if isBarrierDue { return .nothing }
            isBarrierDue = true
            return .later
        }
        lastBarrierMs = nowMs
        isBarrierOut = true
        barrierNumber &+= 1
        barrierSequence = last.sequence
        return .now
    }

    /// The barrier was answered: what it covers is proved.
    func confirmBarrier() {
        guard isBarrierOut else { return }
        isBarrierOut = false
        confirm(through: barrierSequence)
    }

    /// Everything up to `sequence` is proved to have arrived.
    func confirm(through sequence: UInt64) {
        while head < entries.count, entries[head].sequence <= sequence {
            // What comes a little later was sent some time ago and has left the caches: fetched now, it is there when its turn comes.
            if head + Self.lookahead < entries.count { entries[head + Self.lookahead].command.message.expect() }
            dropFirst()
        }
        if head == entries.count {
            entries.removeAll(keepingCapacity: true)
            head = 0
        }
    }

    /// Everything unproved, in order; the references become the caller's.
    func takeAll() -> [Entry] {
        let rest = Array(entries[head...])
        entries.removeAll()
        head = 0
        byteCount = 0
        isBarrierOut = false
        return rest
    }

    private func dropFirst() {
        let entry = entries[head]
        byteCount -= Int(entry.byteCount)
        entry.command.message.release()
        head += 1
        // Compact only now and then: a queue that never quite empties must not grow for ever.
        if head >= 64 {
            entries.removeFirst(head)
            head = 0
        }
    }
}
