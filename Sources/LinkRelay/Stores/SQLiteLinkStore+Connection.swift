// One SQLite connection: statements, bindings, rows, and what a return code means.
//
// Not Sendable: opened on the thread that opens the store, afterwards used on the store's own thread alone. Every return
// code is looked at. Details of errors name SQL operations, never bound values. SPDX-License-Identifier: Apache-2.0

import CSQLite

enum SQLiteValue {
    case null
    case int(Int64)
    case text(String)
    case blob([UInt8])

    static func optional(_ value: Int64?) -> SQLiteValue { value.map { .int($0) } ?? .null }
    static func optional(_ value: String?) -> SQLiteValue { value.map { .text($0) } ?? .null }
}

/// The row that a statement stands on; valid inside the reading closure only.
struct SQLiteRow {
    fileprivate let statement: OpaquePointer

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }
    func int(_ column: Int32) -> Int64 { sqlite3_column_int64(statement, column) }
    func optionalInt(_ column: Int32) -> Int64? { isNull(column) ? nil : int(column) }
    func text(_ column: Int32) -> String { String(decoding: blob(column), as: UTF8.self) }
    func optionalText(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }

    func blob(_ column: Int32) -> [UInt8] {
        guard let start = sqlite3_column_blob(statement, column) else { return [] }
        return [UInt8](UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column))))
    }
}

final class SQLiteConnection {
    let database: OpaquePointer
    private var statements: [String: OpaquePointer] = [:]

    /// Opens an existing file. Throws `.corrupt` for what is no database, `.readOnly` for what cannot be written.
    init(path: String, busyMilliseconds: Int32) throws(StoreError) {
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(path, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nil)
        guard code == SQLITE_OK, let opened else {
            let error = StoreError(sqlite: code, "open", message: opened.flatMap { sqlite3_errmsg($0) })
            sqlite3_close(opened)
            throw error
        }
        database = opened
        sqlite3_extended_result_codes(database, 1)
        sqlite3_busy_timeout(database, busyMilliseconds)
        if sqlite3_db_readonly(database, "main") == 1 { throw StoreError(.readOnly, "open: the database cannot be written") }
    }

    deinit {
        for statement in statements.values { sqlite3_finalize(statement) }
        sqlite3_close(database)
    }

    /// False inside BEGIN … COMMIT; true again as soon as SQLite has given a transaction up by itself.
    var isAutocommit: Bool { sqlite3_get_autocommit(database) != 0 }

    /// Runs statements that bind nothing and answer nothing of interest; not cached.
    func execute(_ sql: String) throws(StoreError) {
        let code = sqlite3_exec(database, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code, sql) }
    }

    /// Runs one cached statement; returns how many rows it changed.
    @discardableResult
    func run(_ sql: String, _ values: SQLiteValue...) throws(StoreError) -> Int {
        _ = try each(sql, values) { (_) throws(StoreError) -> Bool in true }
        return Int(sqlite3_changes(database))
    }

    /// The first row, read by `read`.
    func first<Value>(
        _ sql: String, _ values: SQLiteValue..., read: (SQLiteRow) throws(StoreError) -> Value
    ) throws(StoreError) -> Value? {
        var found: Value?
        try each(sql, values) { (row) throws(StoreError) -> Bool in
            found = try read(row)
            return false
        }
        return found
    }

    /// All rows, read by `read`.
    func all<Value>(
        _ sql: String, _ values: SQLiteValue..., read: (SQLiteRow) throws(StoreError) -> Value
    ) throws(StoreError) -> [Value] {
        var found: [Value] = []
        try each(sql, values) { (row) throws(StoreError) -> Bool in
            found.append(try read(row))
            return true
        }
        return found
    }

    var lastRowID: Int64 { sqlite3_last_insert_rowid(database) }

    private func each(
        _ sql: String, _ values: [SQLiteValue], _ body: (SQLiteRow) throws(StoreError) -> Bool
    ) throws(StoreError) {
        let statement = try prepared(sql)
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (offset, value) in values.enumerated() {
            let code = bind(statement, Int32(offset + 1), value)
            guard code == SQLITE_OK else { throw failure(code, sql) }
        }
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: if try !body(SQLiteRow(statement: statement)) { return }
            case SQLITE_DONE: return
            case let code: throw failure(code, sql)
            }
        }
    }

    private func prepared(_ sql: String) throws(StoreError) -> OpaquePointer {
        if let statement = statements[sql] { return statement }
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v3(database, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK, let statement else { throw failure(code, sql) }
        statements[sql] = statement
        return statement
    }

    private func bind(_ statement: OpaquePointer, _ index: Int32, _ value: SQLiteValue) -> Int32 {
        switch value {
        case .null: return sqlite3_bind_null(statement, index)
        case .int(let value): return sqlite3_bind_int64(statement, index, value)
        case .text(var text):
            return text.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) {
                    lr_sqlite_bind_text_copy(statement, index, $0.baseAddress ?? Self.noBytes, Int32(clamping: $0.count))
                }
            }
        case .blob(let bytes):
            return bytes.withUnsafeBytes {
                lr_sqlite_bind_blob_copy(statement, index, $0.baseAddress, Int32(clamping: $0.count))
            }
        }
    }

    /// An address for empty text: a null pointer would bind NULL. Never read.
    nonisolated(unsafe) private static let noBytes: UnsafePointer<CChar> = {
        let byte = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
        byte.initialize(to: 0)
        return UnsafePointer(byte)
    }()

    private func failure(_ code: Int32, _ sql: String) -> StoreError {
        let words = sql.split(separator: " ", maxSplits: 3).prefix(3).joined(separator: " ")
        return StoreError(sqlite: code, words, message: sqlite3_errmsg(database))
    }
}

extension StoreError {
    /// What a (possibly extended) SQLite return code means to the relay.
    static func kind(sqlite code: Int32) -> Kind {
        switch code & 0xFF {
        case SQLITE_FULL: .full
        case SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH: .readOnly
        case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_FORMAT, SQLITE_SCHEMA: .corrupt
        case SQLITE_BUSY, SQLITE_LOCKED: .busy
        default: .io
        }
    }

    init(sqlite code: Int32, _ operation: String, message: UnsafePointer<CChar>?) {
        let text = message.map { String(cString: $0) } ?? String(cString: sqlite3_errstr(code))
        self.init(Self.kind(sqlite: code), "\(operation): \(text) (\(code))")
    }
}
