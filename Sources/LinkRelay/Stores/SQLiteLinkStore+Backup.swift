// A copy of the database while a relay writes to it: SQLite's own backup, never a copy of files.
//
// Runs on the caller's thread with connections of its own, so that the store's thread goes on; blocks. Never leaves half a
// copy under the name asked for. SPDX-License-Identifier: Apache-2.0

import CSQLite
import Glibc

extension SQLiteLinkStore {
    /// Copies the database at `source` to the new file `target`, made with mode 0600, and checks the copy.
    ///
    /// Throws when `target` exists, when either cannot be read or written, when the copy does not pass its check, and when it is of another
    /// vault than the one with the mark `requiring`.
    package static func backUp(from source: String, to target: String, requiring mark: SecretHash? = nil) throws(StoreError) {
        let draft = "\(target).\(getpid()).part"
        try makeEmpty(draft)
        defer { unlink(draft) }
        try copy(from: source, to: draft, mark)
        guard link(draft, target) == 0 else { throw failure("create \(target)", errno) }
        try sync(directoryOf: target)
    }

    private static func makeEmpty(_ path: String) throws(StoreError) {
        let file = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw failure("create \(path)", errno) }
        Glibc.close(file)
    }

    private static func copy(from source: String, to target: String, _ mark: SecretHash?) throws(StoreError) {
        let from = try SQLiteConnection(path: source, busyMilliseconds: busyMilliseconds)
        let to = try SQLiteConnection(path: target, busyMilliseconds: busyMilliseconds)
        try to.copyAll(of: from)
        // One file, without a log beside it.
        try to.execute("PRAGMA journal_mode = DELETE")
        let verdict = try to.first("PRAGMA integrity_check(1)") { (row) throws(StoreError) in row.text(0) }
        guard verdict == "ok" else { throw StoreError(.corrupt, "the copy: \(verdict ?? "no answer")") }
        guard let mark else { return }
        let own = try to.first("SELECT mark FROM vault") { (row) throws(StoreError) in row.blob(0) }
        guard own == mark.bytes else { throw StoreError(.corrupt, "the key in the data directory is not this database's") }
    }

    private static func sync(directoryOf path: String) throws(StoreError) {
        let name = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let directory = Glibc.open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw failure("open \(name)", errno) }
        defer { Glibc.close(directory) }
        guard fsync(directory) == 0 else { throw failure("sync \(name)", errno) }
    }

    static func failure(_ operation: String, _ code: Int32) -> StoreError {
        let kind: StoreError.Kind =
            switch code {
            case ENOSPC, EDQUOT: .full
            case EROFS, EACCES, EPERM: .readOnly
            default: .io
            }
        return StoreError(kind, "\(operation): \(String(cString: strerror(code)))")
    }
}

extension SQLiteConnection {
    /// Replaces this database's contents by those of `source`, as they are at one moment, and syncs.
    ///
    /// In one step: with a write-ahead log a reader holds up no writer, and in steps every write would start the copy anew.
    func copyAll(of source: SQLiteConnection) throws(StoreError) {
        guard let backup = sqlite3_backup_init(database, "main", source.database, "main") else {
            throw StoreError(sqlite: sqlite3_errcode(database), "begin the backup", message: sqlite3_errmsg(database))
        }
        let code = sqlite3_backup_step(backup, -1)
        sqlite3_backup_finish(backup)
        guard code == SQLITE_DONE else { throw StoreError(sqlite: code, "back up", message: sqlite3_errstr(code)) }
    }
}
