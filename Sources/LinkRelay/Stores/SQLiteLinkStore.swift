// The durable store: one SQLite file in WAL mode, synced at every commit, on a thread of its own.
//
// Any thread may call; the work is done in order on the store's thread. Other processes (the command line) may use the same
// file at the same time. The SQL is in the SQLiteLinkStore+*.swift files, which alone import CSQLite.
// Never answers a write before its commit is on disk. SPDX-License-Identifier: Apache-2.0

import Glibc
package final class SQLiteLinkStore: LinkStore {
    /// How long a write waits for another process' transaction.
    static let busyMilliseconds: Int32 = 3000

    private let thread: WorkerThread<SQLiteWorker>
    /// How long a job may wait for its turn.
    private let patience: Duration
    private let watch = Watch()

    package let measures: StoreMeasures? = StoreMeasures()

    /// Jobs that wait for the store's thread.
    package var queuedCount: Int { thread.queuedCount }

    private init(_ thread: WorkerThread<SQLiteWorker>, _ patience: Duration) {
        self.thread = thread
        self.patience = patience
    }

    deinit { thread.stop() }

    /// Opens the database at `path`, made with mode 0600 if it is not there. Blocks; at start-up only.
    ///
    /// Throws `.corrupt` for a damaged, foreign or newer file, `.readOnly` for one that cannot be written. Never repairs.
    package static func open(path: String) throws(StoreError) -> SQLiteLinkStore {
        try open(path: path, busyMilliseconds: busyMilliseconds)
    }

    static func open(
        path: String, busyMilliseconds: Int32, migrations: [String] = SQLiteSchema.migrations,
        patience: Duration = .milliseconds(StoreRules.queueMilliseconds)
    ) throws(StoreError) -> SQLiteLinkStore {
        try prepareFile(path)
        let connection = try SQLiteConnection(path: path, busyMilliseconds: busyMilliseconds)
        try configure(connection, migrations)
        try SQLiteSchema.migrate(connection, migrations)
        guard let thread = WorkerThread.start(SQLiteWorker(connection)) else { throw StoreError(.io, "no thread for the store") }
        return SQLiteLinkStore(thread, patience)
    }

    /// The log and shared-memory files take their mode from this one.
    private static func prepareFile(_ path: String) throws(StoreError) {
        let file = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        if file >= 0 {
            Glibc.close(file)
            return
        }
        let code = errno
        guard code == EEXIST else {
            let kind: StoreError.Kind =
                switch code {
                case ENOSPC, EDQUOT: .full
                case EROFS, EACCES, EPERM: .readOnly
                default: .io
                }
            throw StoreError(kind, "create \(path): \(String(cString: strerror(code)))")
        }
        // Not ours to change (a group-readable file of another owner) is not ours to refuse either.
        _ = chmod(path, 0o600)
    }

    private static func configure(_ connection: SQLiteConnection, _ migrations: [String]) throws(StoreError) {
        // Deleted secrets are overwritten, foreign SQL in the schema runs nothing, sorting writes no files.
        try connection.execute(
            """
            PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY
            """)
        let verdict = try connection.first("PRAGMA quick_check(1)") { (row) throws(StoreError) in row.text(0) }
        guard verdict == "ok" else { throw StoreError(.corrupt, "quick_check: \(verdict ?? "no answer"); restore a backup") }
        // Before the first change to the file.
        _ = try SQLiteSchema.inspect(connection, migrations)
        let mode = try connection.first("PRAGMA journal_mode = WAL") { (row) throws(StoreError) in row.text(0) }
        guard mode == "wal" else { throw StoreError(.io, "the file system cannot hold a write-ahead log (\(mode ?? "none"))") }
        // A small page cache (in KiB): joins are answered from the directory, and the system caches the file anyway.
        try connection.execute(
            """
            PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 16777216; PRAGMA cache_size = -256
            """)
    }

    func read<Answer: Sendable>(_ body: @escaping SQLiteQuestion<Answer>.Body) async throws(StoreError) -> Answer {
        try await ask(isWrite: false, body)
    }

    /// `body` may run twice, and must leave its traces in the database only.
    func write<Answer: Sendable>(_ body: @escaping SQLiteQuestion<Answer>.Body) async throws(StoreError) -> Answer {
        try await ask(isWrite: true, body)
    }

    private func ask<Answer: Sendable>(
        isWrite: Bool, _ body: @escaping SQLiteQuestion<Answer>.Body
    ) async throws(StoreError) -> Answer {
        let start = ContinuousClock.now
        let result = await withCheckedContinuation { continuation in
            thread.ask(SQLiteQuestion(isWrite: isWrite, continuation: continuation, body: body))
            watch.begin { [thread, patience] in thread.refuseOverdue(patience) }
        }
        (isWrite ? measures?.writes : measures?.reads)?.add(ContinuousClock.now - start)
        if case .failure(let error) = result { measures?.note(error) }
        return try result.get()
    }

    package func close() async { await thread.stopAndWait() }

    package func probe() async throws(StoreError) {
        try await write { (db) throws(StoreError) in _ = try db.run("UPDATE probe SET count = count + 1") }
    }

    package func bindVault(_ mark: SecretHash) async throws(StoreError) -> Bool {
        try await write { (db) throws(StoreError) in
            try db.run("INSERT INTO vault VALUES (1, ?) ON CONFLICT DO NOTHING", .blob(mark.bytes))
            return try db.first("SELECT mark FROM vault") { (row) throws(StoreError) in row.blob(0) } == mark.bytes
        }
    }

    package func changeMark() async throws(StoreError) -> Int64 {
        try await read { (db) throws(StoreError) in
            try db.first("PRAGMA data_version") { (row) throws(StoreError) in row.int(0) } ?? 0
        }
    }
}
