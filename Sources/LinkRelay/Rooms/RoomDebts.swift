// What a room owes its members when its relay goes down: unfinished commands, undelivered ones, results nobody heard.
//
// Pure values and their encoding, any thread. Payloads are kept byte for byte. Reading is strict and bounded: the bytes come from our own
// store, but a damaged one must cost no more than itself. SPDX-License-Identifier: Apache-2.0

struct RoomDebts: Equatable, Sendable {
    struct Command: Equatable, Sendable {
        var id: [UInt8]
        var type: [UInt8]
        var remainingMs: UInt64
        /// The payload of its last status.
        var lastStatus: [UInt8]?
    }

    /// A vanished extension, by its install if it names one.
    struct Absent: Equatable, Sendable {
        var installID: String?
    }

    var commands: [Command] = []
    /// Payloads of commands to be delivered (again), in order.
    var undelivered: [[UInt8]] = []
    /// Payloads of terminal statuses that nobody heard.
    var unheard: [[UInt8]] = []
    var absent: [Absent] = []

    var isEmpty: Bool { commands.isEmpty && undelivered.isEmpty && unheard.isEmpty && absent.isEmpty }

    private static let version: UInt8 = 1

    // MARK: Encoding

    func encoded() -> [UInt8] {
        var out: [UInt8] = [Self.version]
        Self.append(commands.count, &out)
        for command in commands {
            Self.append(command.id, &out)
            Self.append(command.type, &out)
            Self.append(Int(clamping: command.remainingMs), &out)
            out.append(command.lastStatus == nil ? 0 : 1)
            if let status = command.lastStatus { Self.append(status, &out) }
        }
        for list in [undelivered, unheard] {
            Self.append(list.count, &out)
            for payload in list { Self.append(payload, &out) }
        }
        Self.append(absent.count, &out)
        for one in absent {
            out.append(one.installID == nil ? 0 : 1)
            if let install = one.installID { Self.append(Array(install.utf8), &out) }
        }
        return out
    }

    private static func append(_ number: Int, _ out: inout [UInt8]) {
        let value = UInt64(clamping: number)
        for shift in stride(from: 0, through: 56, by: 8) { out.append(UInt8(truncatingIfNeeded: value >> UInt64(shift))) }
    }

    private static func append(_ bytes: [UInt8], _ out: inout [UInt8]) {
        append(bytes.count, &out)
        out.append(contentsOf: bytes)
    }

    // MARK: Decoding

    init() {}

    /// Nil for bytes of another version or shape.
    init?(decoding bytes: [UInt8]) {
        var reader = Reader(bytes: bytes[...])
        guard reader.byte() == Self.version, let commandCount = reader.count() else { return nil }
        for _ in 0..<commandCount {
            guard let id = reader.blob(), let type = reader.blob(), let remaining = reader.number(), let flag = reader.byte() else {
                return nil
            }
            var status: [UInt8]?
            if flag == 1 {
                guard let payload = reader.blob() else { return nil }
                status = payload
            }
            commands.append(Command(id: id, type: type, remainingMs: remaining, lastStatus: status))
        }
        guard let first = reader.blobs(), let second = reader.blobs(),
            let absentCount = reader.count()
        else { return nil }
        undelivered = first
        unheard = second
        for _ in 0..<absentCount {
            guard let flag = reader.byte() else { return nil }
            if flag == 0 {
                absent.append(Absent(installID: nil))
            } else {
                guard let install = reader.blob() else { return nil }
                absent.append(Absent(installID: String(decoding: install, as: UTF8.self)))
            }
        }
        guard reader.bytes.isEmpty else { return nil }
    }

    private struct Reader {
        var bytes: ArraySlice<UInt8>

        mutating func byte() -> UInt8? { bytes.popFirst() }

        mutating func number() -> UInt64? {
            guard bytes.count >= 8 else { return nil }
            var value: UInt64 = 0
            for (i, byte) in bytes.prefix(8).enumerated() { value |= UInt64(byte) << UInt64(i * 8) }
            bytes.removeFirst(8)
            return value
        }

        /// Of things that have a byte each at least.
        mutating func count() -> Int? { number().flatMap { $0 <= UInt64(bytes.count) ? Int($0) : nil } }

        mutating func blob() -> [UInt8]? {
            guard let n = number(), n <= UInt64(bytes.count) else { return nil }
            defer { bytes.removeFirst(Int(n)) }
            return Array(bytes.prefix(Int(n)))
        }

        mutating func blobs() -> [[UInt8]]? {
            guard let n = count() else { return nil }
            var all: [[UInt8]] = []
            for _ in 0..<n {
                guard let blob = blob() else { return nil }
                all.append(blob)
            }
            return all
        }
    }
}
