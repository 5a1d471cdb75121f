// What only a store on disk can get wrong: durability, migrations, full disks, damage, other processes.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import LinkProtocol
import Testing

@testable import LinkRelay

/// setfsuid(2), which Glibc's module does not show.
private typealias SetFileSystemUser = @convention(c) (UInt32) -> Int32

@Suite struct StoresSQLiteTests {
    private func open(_ directory: TemporaryDirectory, busy: Int32 = 3000, _ migrations: [String] = SQLiteSchema.migrations)
        throws -> SQLiteLinkStore
    {
        try SQLiteLinkStore.open(path: directory.path + "/relay.db", busyMilliseconds: busy, migrations: migrations)
    }

    @Test func filesAreForTheOwnerOnly() async throws {
        let directory = try TemporaryDirectory()
        let store = try open(directory)
        _ = try await store.newUser()
        #expect(directory.names == ["relay.db", "relay.db-shm", "relay.db-wal"])
        for name in directory.names { #expect(directory.mode(of: name) == 0o600, "\(name)") }
        await store.close()
        #expect(directory.names == ["relay.db"])
    }

    @Test func whatWasAnsweredSurvivesACrash() async throws {
        let directory = try TemporaryDirectory()
        let store = try open(directory)
        let ada = try await store.newUser()
        let made = try await store.newInstance(ada, code: 1)
        _ = try await store.exchange(code: hash(1), by: hash(900), from: "here", newKey: key(101), repeatableUntil: 65, now: 5)
        // The files as a crash right now would leave them: nothing is closed, the log is not checkpointed.
        let after = try TemporaryDirectory()
        for name in ["relay.db", "relay.db-wal"] { after.write(directory.bytes(of: name), to: name) }
        let reopened = try open(after)
        #expect(try await reopened.instance(made.id)?.secret == key(101))
        #expect(try await reopened.exchange(code: hash(1), by: hash(901), from: "here", newKey: key(102), repeatableUntil: 9, now: 6) == .alreadySpent)
        // A log cut anywhere still opens, to some earlier state.
        let log = directory.bytes(of: "relay.db-wal")
        for cut in stride(from: 0, to: log.count, by: max(1, log.count / 7)) {
            let torn = try TemporaryDirectory()
            torn.write(directory.bytes(of: "relay.db"), to: "relay.db")
            torn.write(Array(log[..<cut]), to: "relay.db-wal")
            let store = try open(torn)
            try await store.probe()
            await store.close()
        }
        await reopened.close()
        await store.close()
    }

    @Test func migrationsKeepTheRowsOrChangeNothing() async throws {
        let directory = try TemporaryDirectory()
        let second = SQLiteSchema.migrations + ["ALTER TABLE user ADD COLUMN colour TEXT"]
        let broken = SQLiteSchema.migrations + ["ALTER TABLE user ADD COLUMN colour TEXT; DROP TABLE nothing"]
        var store = try open(directory)
        let ada = try await store.newUser()
        await store.close()
        #expect(throws: StoreError.self) { try open(directory, broken) }
        store = try open(directory)
        #expect(try await store.users().map(\.id) == [ada])
        await store.close()
        store = try open(directory, second)
        #expect(try await store.users().map(\.id) == [ada])
        await store.close()
        let refusal = #expect(throws: StoreError.self) { try open(directory) }
        #expect(refusal?.detail.contains("written by a newer one") == true)
        store = try open(directory, second)
        #expect(try await store.users().map(\.id) == [ada])
        await store.close()
    }

    @Test func foreignAndDamagedFilesAreRefusedAndLeftAlone() async throws {
        let directory = try TemporaryDirectory()
        directory.write(Array("this is no database, it only looks like a file".utf8) + [UInt8](repeating: 7, count: 5000), to: "relay.db")
        let garbage = directory.bytes(of: "relay.db")
        #expect(throws: StoreError.self) { try open(directory) }
        #expect(directory.bytes(of: "relay.db") == garbage)

        directory.write([], to: "relay.db")
        do {
            let connection = try SQLiteConnection(path: directory.path + "/relay.db", busyMilliseconds: 0)
            try connection.execute("CREATE TABLE bookmark (url TEXT)")
        }
        let foreign = directory.bytes(of: "relay.db")
        let refusal = #expect(throws: StoreError.self) { try open(directory) }
        #expect(refusal?.kind == .corrupt)
        #expect(directory.bytes(of: "relay.db") == foreign)

        let damaged = try TemporaryDirectory()
        let store = try open(damaged)
        let ada = try await store.newUser()
        for number in UInt64(1)...200 { _ = try await store.newInstance(ada, code: number) }
        await store.close()
        var bytes = damaged.bytes(of: "relay.db")
        for offset in stride(from: 4096, to: bytes.count, by: 61) { bytes[offset] ^= 0xFF }
        damaged.write(bytes, to: "relay.db")
        let damage = #expect(throws: StoreError.self) { try open(damaged) }
        #expect(damage?.kind == .corrupt)
    }

    @Test func readOnlyFilesAreRefused() async throws {
        let directory = try TemporaryDirectory()
        let store = try open(directory)
        await store.close()
        chmod(directory.path, 0o755)
        chmod(directory.path + "/relay.db", 0o444)
        // Permissions mean nothing to root: for a moment this thread is nobody, to the file system.
        let becomeNobody = try #require(dlsym(nil, "setfsuid").map { unsafeBitCast($0, to: SetFileSystemUser.self) })
        let former = geteuid() == 0 ? becomeNobody(65534) : -1
        let result = Result { try open(directory) }
        if former >= 0 { _ = becomeNobody(UInt32(former)) }
        guard case .failure(let error as StoreError) = result else { Issue.record("opened"); return }
        #expect(error.kind == .readOnly)
    }

    @Test func aFullDiskIsAnErrorThatPasses() async throws {
        let directory = try TemporaryDirectory()
        let store = try open(directory)
        let ada = try await store.newUser()
        let made = try await store.newInstance(ada, code: 1)
        try await store.read { (db) throws(StoreError) in
            let pages = try db.first("PRAGMA page_count") { (row) throws(StoreError) in row.int(0) } ?? 0
            try db.execute("PRAGMA max_page_count = \(pages)")
        }
        let long = String(repeating: "x", count: 9000)
        #expect(await storeFailure { _ = try await store.renameInstance(made.id, of: ada, name: long) } == .full)
        // Many at once: each is told the truth about itself, and what needs no room still works.
        let outcomes = await withTaskGroup(of: StoreError.Kind?.self) { group in
            for number in 0..<30 {
                group.addTask {
                    await storeFailure {
                        if number % 3 == 0 {
                            _ = try await store.renameInstance(made.id, of: ada, name: "short")
                        } else {
                            _ = try await store.renameInstance(made.id, of: ada, name: long)
                        }
                    }
                }
            }
            return await group.reduce(into: [StoreError.Kind?]()) { $0.append($1) }
        }
        #expect(outcomes.filter { $0 == .full }.count == 20)
        #expect(outcomes.filter { $0 == nil }.count == 10)
        #expect(try await store.instance(made.id)?.name == "short")
        try await store.read { (db) throws(StoreError) in try db.execute("PRAGMA max_page_count = 1000000") }
        #expect(try await store.renameInstance(made.id, of: ada, name: long))
        try await store.probe()
        #expect(try await store.instance(made.id)?.name == long)
        await store.close()
    }

    @Test func anotherProcessMayWriteAtTheSameTime() async throws {
        let directory = try TemporaryDirectory()
        let daemon = try open(directory)
        let command = try open(directory)
        let ada = try await daemon.newUser()
        let before = try await daemon.changeMark()
        _ = try await daemon.newInstance(ada, code: 1)
        #expect(try await daemon.changeMark() == before)
        #expect(try await command.users().map(\.id) == [ada])
        let failures = await withTaskGroup(of: StoreError.Kind?.self) { group in
            for number in UInt64(10)..<60 {
                let store = number % 2 == 0 ? daemon : command
                group.addTask {
                    await storeFailure {
                        _ = try await store.addToken(user: ada, hash: hash(number), label: "", scopes: [.link], now: 0)
                    }
                }
            }
            return await group.reduce(into: [StoreError.Kind]()) { if let kind = $1 { $0.append(kind) } }
        }
        #expect(failures.isEmpty)
        #expect(try await daemon.tokens(of: ada).count == 50)
        #expect(try await daemon.changeMark() != before)
        await command.close()
        await daemon.close()
    }

    @Test func aLockThatIsNotReleasedIsBusy() async throws {
        let directory = try TemporaryDirectory()
        let store = try open(directory, busy: 1)
        let other = try open(directory, busy: 1)
        let gate = Gate()
        async let held: Void = other.write { (db) throws(StoreError) in
            try db.run("UPDATE probe SET count = 0")
            gate.announce()
            gate.wait()
        }
        await gate.announced()
        #expect(await storeFailure { try await store.probe() } == .busy)
        #expect(try await store.users().isEmpty)
        gate.open()
        try await held
        try await store.probe()
        await other.close()
        await store.close()
    }

    @Test func writesThatWaitTogetherShareACommitAndFailAlone() async throws {
        let directory = try TemporaryDirectory()
        let store = try open(directory)
        let ada = try await store.newUser()
        let gate = Gate()
        async let held: Void = store.read { (_) throws(StoreError) in
            gate.announce()
            gate.wait()
        }
        await gate.announced()
        let before = commitCount(directory)
        let failures = await withTaskGroup(of: StoreError.Kind?.self) { group in
            for number in UInt64(0)..<40 {
                let user = number % 4 == 0 ? UserID(99) : ada
                group.addTask {
                    await storeFailure {
                        _ = try await store.addToken(user: user, hash: hash(number), label: "", scopes: [], now: 0)
                    }
                }
            }
            while store.queuedCount < 40 { await Task.yield() }
            gate.open()
            return await group.reduce(into: [StoreError.Kind]()) { if let kind = $1 { $0.append(kind) } }
        }
        try await held
        #expect(failures == [StoreError.Kind](repeating: .io, count: 10))
        #expect(try await store.tokens(of: ada).count == 30)
        #expect(commitCount(directory) - before == 1)
        await store.close()
    }

    @Test func aFailingJobLeavesNothingBehind() async throws {
        let directory = try TemporaryDirectory()
        let store = try open(directory)
        #expect(
            await storeFailure {
                try await store.write { (db) throws(StoreError) in
                    try db.run("INSERT INTO user (name, role, created_at) VALUES ('half', 'user', 0)")
                    throw StoreError(.io, "as if")
                }
            } == .io)
        #expect(try await store.users().isEmpty)
        await store.close()
    }

    @Test func whoWaitsTooLongForAHangingDiskIsToldSoAndNothingHappens() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteLinkStore.open(
            path: directory.path + "/relay.db", busyMilliseconds: 100, patience: .milliseconds(100))
        let ada = try await store.newUser()
        let gate = Gate()
        async let held: Void = store.read { (_) throws(StoreError) in
            gate.announce()
            gate.wait()
        }
        await gate.announced()
        #expect(
            await storeFailure {
                _ = try await store.addToken(user: ada, hash: hash(1), label: "", scopes: [], now: 0)
            } == .busy)
        #expect(store.queuedCount == 0)
        gate.open()
        try await held
        #expect(try await store.tokens(of: ada).isEmpty)
        await store.close()
    }

    @Test func aLostTransactionIsTriedAgainOneByOne() async throws {
        let directory = try TemporaryDirectory()
        let store = try open(directory)
        let ada = try await store.newUser()
        let gate = Gate()
        async let held: Void = store.read { (_) throws(StoreError) in
            gate.announce()
            gate.wait()
        }
        await gate.announced()
        let failures = await withTaskGroup(of: StoreError.Kind?.self) { group in
            for number in UInt64(0)..<10 {
                group.addTask {
                    await storeFailure {
                        _ = try await store.addToken(user: ada, hash: hash(number), label: "", scopes: [], now: 0)
                    }
                }
            }
            group.addTask {
                await storeFailure {
                    // What SQLite does by itself when the disk is full in the wrong moment.
                    try await store.write { (db) throws(StoreError) in
                        try db.execute("ROLLBACK")
                        throw StoreError(.full, "as if")
                    }
                }
            }
            while store.queuedCount < 11 { await Task.yield() }
            gate.open()
            return await group.reduce(into: [StoreError.Kind]()) { if let kind = $1 { $0.append(kind) } }
        }
        try await held
        #expect(failures == [.full])
        #expect(try await store.tokens(of: ada).count == 10)
        await store.close()
    }

    /// Commit frames in the write-ahead log: 32 bytes of header, then frames of 24 bytes and a page; a commit frame carries
    /// the size of the database.
    private func commitCount(_ directory: TemporaryDirectory) -> Int {
        let log = directory.bytes(of: "relay.db-wal")
        guard log.count > 32 else { return 0 }
        let page = log[8..<12].reduce(0) { $0 << 8 | Int($1) }
        return stride(from: 32, to: log.count - 24, by: 24 + page).count { frame in
            log[(frame + 4)..<(frame + 8)].contains { $0 != 0 }
        }
    }

    @Test func returnCodesHaveMeanings() {
        let table: [(Int32, StoreError.Kind)] = [
            (13, .full), (8, .readOnly), (8 | 4 << 8, .readOnly), (3, .readOnly), (11, .corrupt), (26, .corrupt),
            (11 | 1 << 8, .corrupt), (5, .busy), (5 | 2 << 8, .busy), (6, .busy), (10, .io), (10 | 4 << 8, .io), (14, .io),
            (7, .io), (19, .io), (1, .io),
        ]
        for (code, kind) in table { #expect(StoreError.kind(sqlite: code) == kind, "\(code)") }
    }

    @Test func errorsNameNoValues() async throws {
        let directory = try TemporaryDirectory()
        let store = try open(directory)
        do {
            _ = try await store.addToken(user: UserID(99), hash: hash(7), label: "secret-label", scopes: [], now: 0)
            Issue.record("no error")
        } catch {
            #expect(!error.description.contains("secret-label"))
        }
        await store.close()
    }
}
