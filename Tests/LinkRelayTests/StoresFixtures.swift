// What the store, key and account tests share: temporary directories, clocks that stand still, stores to run a suite on.
//
// Any thread. SPDX-License-Identifier: Apache-2.0

import Glibc
import LinkProtocol
import Testing

@testable import LinkRelay

/// A directory that goes with its last reference, files and all.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/linkrelay-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw StoreError(.io, "mkdtemp") }
        path = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
    }

    deinit {
        for name in names { unlink(path + "/" + name) }
        rmdir(path)
    }

    var names: [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    func bytes(of name: String) -> [UInt8] {
        guard let file = fopen(path + "/" + name, "r") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
    }

    func write(_ bytes: [UInt8], to name: String) {
        guard let file = fopen(path + "/" + name, "w") else { return }
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
    }

    func mode(of name: String) -> UInt32 {
        var status = stat()
        return stat(path + "/" + name, &status) == 0 ? status.st_mode & 0o777 : 0
    }
}

/// Holds a store's thread inside a job until told to go on.
final class Gate: Sendable {
    private let ends: (read: Int32, write: Int32)
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() {
        var ends: [Int32] = [-1, -1]
        _ = pipe(&ends)
        self.ends = (ends[0], ends[1])
        (stream, continuation) = AsyncStream.makeStream()
    }

    deinit {
        close(ends.read)
        close(ends.write)
    }

    /// From inside the job: we are there.
    func announce() { continuation.yield() }
    func announced() async { for await _ in stream { return } }
    /// Blocks until `open`.
    func wait() {
        var byte: UInt8 = 0
        _ = read(ends.read, &byte, 1)
    }
    func open() {
        var byte: UInt8 = 1
        _ = write(ends.write, &byte, 1)
    }
}

/// A clock that moves when told to.
final class FakeClock: Sendable {
    private let time: Locked<Int64>
    init(_ start: Int64) { time = Locked(start) }
    var now: Int64 { time.withLock { $0 } }
    func advance(_ milliseconds: Int64) { time.withLock { $0 += milliseconds } }
}

enum StoreKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case memory, sqlite
    var testDescription: String { rawValue }

    /// The store, and the directory to keep alive while it is used.
    func open() throws -> (any LinkStore, TemporaryDirectory) {
        let directory = try TemporaryDirectory()
        switch self {
        case .memory: return (MemoryLinkStore(), directory)
        case .sqlite: return (try SQLiteLinkStore.open(path: directory.path + "/relay.db"), directory)
        }
    }
}

/// A distinct hash or seal for each number.
func hash(_ number: UInt64) -> SecretHash {
    SecretHash(bytes: (0..<32).map { UInt8(truncatingIfNeeded: $0 < 8 ? number >> (8 * UInt64($0)) : 0x55) })
}
func code(_ number: UInt64, until: WallTime) -> InstanceSecret {
    .code(hash: hash(number), sealed: SealedKey(bytes: [1, 2, UInt8(truncatingIfNeeded: number)]), expiresAt: until)
}
func key(_ number: UInt64) -> InstanceSecret {
    .key(hash: hash(number), sealed: SealedKey(bytes: [9, 8, UInt8(truncatingIfNeeded: number)]))
}

extension CreateResult {
    var record: InstanceRecord? { if case .created(let record, _) = self { record } else { nil } }
}

extension LinkStore {
    func newUser(_ name: String = "ada") async throws -> UserID {
        try #require(try await addUser(name: name, role: .user, now: 0)).id
    }

    func newInstance(_ user: UserID, code number: UInt64, until: WallTime = 1000, now: WallTime = 0) async throws
        -> InstanceRecord
    {
        let result = try await createInstance(
            user: user, name: "rig", origin: "test", code: code(number, until: until), limit: 0, now: now)
        return try #require(result.record)
    }
}

/// Runs `body`, which must throw a StoreError, and says which kind it was.
func storeFailure(_ body: () async throws -> Void) async -> StoreError.Kind? {
    do {
        try await body()
        return nil
    } catch let error as StoreError {
        return error.kind
    } catch {
        Issue.record("not a StoreError: \(error)")
        return nil
    }
}
