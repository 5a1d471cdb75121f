// The tables, and how an older database becomes a newer one.
//
// Runs while the store is opened, on the opening thread. A migration is never changed once released: the next one is added.
// A schema newer than this code is refused and left alone. SPDX-License-Identifier: Apache-2.0

import CSQLite

enum SQLiteSchema {
    /// "LRly": what `file` and the next start recognise the database by.
    static let applicationID: Int64 = 0x4C52_6C79

    /// Entry n brings version n to n + 1.
    static let migrations: [String] = [
        """
        CREATE TABLE vault (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            mark BLOB NOT NULL CHECK (length(mark) = 32)
        ) STRICT;
        CREATE TABLE probe (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            count INTEGER NOT NULL
        ) STRICT;
        INSERT INTO probe VALUES (1, 0);
        CREATE TABLE user (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE,
            role TEXT NOT NULL,
            created_at INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE token (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            user INTEGER NOT NULL REFERENCES user ON DELETE CASCADE,
            hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
            label TEXT NOT NULL,
            scopes TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            last_used_at INTEGER
        ) STRICT;
        CREATE INDEX token_user ON token (user);
        CREATE TABLE ticket (
            hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
            user INTEGER NOT NULL REFERENCES user ON DELETE CASCADE,
            expires_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX ticket_user ON ticket (user);
        CREATE TABLE web_session (
            hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
            user INTEGER NOT NULL REFERENCES user ON DELETE CASCADE,
            expires_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX web_session_user ON web_session (user);
        -- secret: the code while code_expires_at is set, else the link key. given_until: when the code was to run out when it
        -- was made; a newer code may end it sooner.
        CREATE TABLE instance (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            user INTEGER NOT NULL REFERENCES user ON DELETE CASCADE,
            name TEXT,
            hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
            sealed BLOB NOT NULL,
            code_expires_at INTEGER,
            given_until INTEGER,
            was_activated INTEGER NOT NULL,
            origin TEXT,
            install_id TEXT,
            is_oauth_paired INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            last_seen_at INTEGER,
            UNIQUE (user, install_id)
        ) STRICT;
        CREATE INDEX instance_code ON instance (code_expires_at) WHERE code_expires_at IS NOT NULL;
        CREATE TABLE spent_code (
            hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
            instance INTEGER NOT NULL REFERENCES instance ON DELETE CASCADE,
            exchanged_by BLOB NOT NULL,
            repeatable_until INTEGER NOT NULL,
            spent_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX spent_code_instance ON spent_code (instance);
        CREATE INDEX spent_code_age ON spent_code (spent_at);
        CREATE TABLE tombstone (
            hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
            is_code INTEGER NOT NULL,
            buried_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX tombstone_age ON tombstone (is_code, buried_at);
        """,
        """
        CREATE TABLE shelved_room (
            instance INTEGER PRIMARY KEY REFERENCES instance ON DELETE CASCADE,
            sealed BLOB NOT NULL,
            at INTEGER NOT NULL
        ) STRICT;
        """,
        """
        -- One of network and user is set.
        CREATE TABLE block (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            network TEXT UNIQUE,
            user INTEGER UNIQUE REFERENCES user ON DELETE CASCADE,
            note TEXT NOT NULL,
            created_at INTEGER NOT NULL
        ) STRICT;
        """,
        """
        -- What an owner decided about downloads; lists are words separated by blanks. mode NULL: the operator's.
        CREATE TABLE policy (
            instance INTEGER PRIMARY KEY REFERENCES instance ON DELETE CASCADE,
            mode TEXT,
            hosts TEXT NOT NULL,
            suffixes TEXT NOT NULL,
            lan_hosts TEXT NOT NULL
        ) STRICT;
        ALTER TABLE instance ADD COLUMN paired_at INTEGER;
        ALTER TABLE instance ADD COLUMN paired_from TEXT;
        -- The token a session was opened with: its scopes are the session's, and it takes the session with it.
        ALTER TABLE web_session ADD COLUMN token INTEGER REFERENCES token ON DELETE CASCADE;
        """,
    ]

    /// Brings the database up to date, one transaction a migration.
    static func migrate(_ connection: SQLiteConnection, _ migrations: [String] = migrations) throws(StoreError) {
        while true {
            try connection.execute("BEGIN IMMEDIATE")
            do {
                let version = try inspect(connection, migrations)
                guard version < migrations.count else {
                    try connection.execute("COMMIT")
                    return
                }
                try connection.execute(migrations[Int(version)])
                try connection.execute("PRAGMA user_version = \(version + 1); PRAGMA application_id = \(applicationID)")
                try connection.execute("COMMIT")
            } catch {
                if !connection.isAutocommit { try? connection.execute("ROLLBACK") }
                throw error
            }
        }
    }

    /// The schema's version; throws for a database that is not ours to touch.
    static func inspect(_ connection: SQLiteConnection, _ migrations: [String] = migrations) throws(StoreError) -> Int64 {
        let version = try pragma(connection, "user_version")
        if version < 0 || version > migrations.count {
            throw StoreError(
                .corrupt,
                "the database has schema version \(version), this relayd knows up to \(migrations.count): it was written by "
                    + "a newer one; start that, or restore a backup from before (nothing was changed)")
        }
        let application = try pragma(connection, "application_id")
        let tables = try tableCount(connection)
        let isOurs = version > 0 ? application == applicationID : application == 0 && tables == 0
        if !isOurs { throw StoreError(.corrupt, "the file is a database of another program (nothing was changed)") }
        return version
    }

    private static func pragma(_ connection: SQLiteConnection, _ name: String) throws(StoreError) -> Int64 {
        try connection.first("PRAGMA \(name)") { (row) throws(StoreError) in row.int(0) } ?? 0
    }

    private static func tableCount(_ connection: SQLiteConnection) throws(StoreError) -> Int64 {
        try connection.first("SELECT count(*) FROM sqlite_schema") { (row) throws(StoreError) in row.int(0) } ?? 0
    }
}
