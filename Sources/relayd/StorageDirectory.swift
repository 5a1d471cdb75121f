// The directory with everything durable: the database, the master key, and the address of the relay that is running.
//
// At start-up and in commands; may block. Made with mode 0700. SPDX-License-Identifier: Apache-2.0

import Glibc
import LinkRelay

/// What a data directory holds, opened.
struct StorageDirectory: Sendable {
    let path: String
    let store: any LinkStore
    let vault: KeyVault
    let accounts: Accounts

    static let databaseName = "linkrelay.sqlite"
    private static let addressName = "address"
    private static let lockName = "relay.lock"

    /// `mayMake`: a first start. Commands work on what a relay has made: elsewhere they would make what looks like it and opens nothing.
    static func open(_ settings: Settings, mayMake: Bool) async throws(Failure) -> StorageDirectory {
        let path = settings.dataDir
        let hasDatabase = access("\(path)/\(databaseName)", F_OK) == 0
        if !hasDatabase {
            guard mayMake else { throw absent(path) }
            try make(path)
        }
        do {
            let vault = try KeyVault.open(path: path, mayCreate: !hasDatabase)
            let file = try SQLiteLinkStore.open(path: "\(path)/\(databaseName)")
            let store: any LinkStore = settings.faultStore.map { FaultyLinkStore(file, whileFileExists: $0) } ?? file
            guard try await file.bindVault(vault.mark) else {
                throw Failure(
                    .storage,
                    "\(path): the database belongs to another master key; put back the \(KeyVault.fileName) that it was made with.")
            }
            let accounts = Accounts(store: store, vault: vault, wallClock: LogClock.system.wall)
            return StorageDirectory(path: path, store: store, vault: vault, accounts: accounts)
        } catch let failure as Failure {
            throw failure
        } catch let error as StoreError {
            throw Failure(.storage, "the database in \(path) cannot be used: \(error).")
        } catch {
            throw Failure(.storage, "\(error).")
        }
    }

    static func absent(_ path: String) -> Failure {
        let reason = errno == ENOENT ? "there is no database in \(path)" : "\(path): \(String(cString: strerror(errno)))"
        return Failure(.storage, "\(reason); start a relay there first, or say with --data-dir where yours has its data.")
    }

    private static func make(_ path: String) throws(Failure) {
        if isDirectory(path) { return }
        var made = path.hasPrefix("/") ? "/" : ""
        let parts = path.split(separator: "/")
        for (index, part) in parts.enumerated() {
            made += part
            // The parents are nobody's secret; the last one is.
            let isLast = index == parts.count - 1
            if !isDirectory(made), !makeOne(made, isLast ? 0o700 : 0o755) {
                throw Failure(.storage, "\(path) cannot be made (\(String(cString: strerror(errno)))); give another --data-dir.")
            }
            made += "/"
        }
    }

    private static func makeOne(_ path: String, _ mode: mode_t) -> Bool {
        guard mkdir(path, 0o700) == 0 else { return errno == EEXIST && isDirectory(path) }
        return mode == 0o700 || chmod(path, mode) == 0
    }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Makes this process the only relay on the directory until it ends: two would share keys but not rooms. False when there
    /// is one already; throws when the disk does not let it find out. Commands need no claim.
    func claim() throws(Failure) -> Bool {
        // Kept open on purpose: the lock ends with the process, however that ends.
        let file = Glibc.open("\(path)/\(Self.lockName)", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        if file >= 0 {
            if flock(file, LOCK_EX | LOCK_NB) == 0 { return true }
            if errno == EWOULDBLOCK { return false }
        }
        throw Failure(.storage, "\(path)/\(Self.lockName) cannot be locked: \(String(cString: strerror(errno))).")
    }

    // The address that a running relay listens on, so that `relayd sign-in` finds it whatever `serve` was started with.

    func publish(address: String) {
        let draft = "\(path)/\(Self.addressName).\(getpid())"
        let file = Glibc.open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { return }
        let bytes = Array((address + "\n").utf8)
        let isWritten = write(file, bytes, bytes.count) == bytes.count
        close(file)
        if !isWritten || rename(draft, "\(path)/\(Self.addressName)") != 0 { unlink(draft) }
    }

    func withdrawAddress() { unlink("\(path)/\(Self.addressName)") }

    var publishedAddress: String? {
        guard let bytes = try? ProcessEnvironment.contents(of: "\(path)/\(Self.addressName)"), bytes.count < 256 else { return nil }
        let text = String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self)
        return text.hasPrefix("http") ? text : nil
    }
}
