// Where the master key lives: a file beside the database, or a systemd credential.
//
// Called at start-up only, on the main thread, may block. Never overwrites a key file, never repairs one, and never goes on
// with a key that others could read. SPDX-License-Identifier: Apache-2.0

import Glibc
import LinkProtocol

/// Why there is no vault. Each text tells the operator what to do, and holds no secret.
package enum KeyVaultError: Error, Hashable, Sendable, CustomStringConvertible {
    case wrongSize(path: String, byteCount: Int)
    case readableByOthers(path: String)
    case missing(path: String)
    case io(path: String, operation: String, code: Int32)
    case cryptoUnavailable

    package var description: String {
        switch self {
        case .wrongSize(let path, let count):
            "\(path): a master key is exactly \(KeyVault.masterBytes) bytes, this is \(count); restore it from a backup "
                + "(without it the stored keys cannot be read)"
        case .readableByOthers(let path): "\(path): the master key is readable by others; chmod 600 it"
        case .missing(let path):
            "\(path): there is a database but not its master key; put that file back, or set CREDENTIALS_DIRECTORY to the directory that has it"
        case .io(let path, let operation, let code): "\(path): cannot \(operation): \(String(cString: strerror(code)))"
        case .cryptoUnavailable: "the cryptographic library failed (no random bytes, or out of memory)"
        }
    }
}

extension KeyVault {
    package static let fileName = "linkrelay.key"

    /// The vault of a data directory, or of the key file at `path`. With `mayCreate` it is made where there is none: never where there is a
    /// database, which no other key than its own opens.
    ///
    /// `$CREDENTIALS_DIRECTORY/linkrelay.key` (systemd's `LoadCredential=`) wins where it exists.
    package static func open(path: String, mayCreate: Bool) throws(KeyVaultError) -> KeyVault {
        try open(path: path, mayCreate: mayCreate, credentialsDirectory: getenv("CREDENTIALS_DIRECTORY").map { String(cString: $0) })
    }

    /// The vault of the key in the file at `path`, without a look at credentials; nil when there is no such file.
    package static func open(file path: String) throws(KeyVaultError) -> KeyVault? {
        guard let master = try read(path, mayBeShared: false) else { return nil }
        return try vault(master)
    }

    static func open(path: String, mayCreate: Bool = true, credentialsDirectory: String?) throws(KeyVaultError) -> KeyVault {
        if let directory = credentialsDirectory, !directory.isEmpty {
            // The service manager guards that directory; the mode of the file in it says nothing.
            if let master = try read(directory + "/" + fileName, mayBeShared: true) { return try vault(master) }
        }
        let file = isDirectory(path) ? path + "/" + fileName : path
        if let master = try read(file, mayBeShared: false) { return try vault(master) }
        guard mayCreate else { throw .missing(path: file) }
        try create(file)
        guard let master = try read(file, mayBeShared: false) else {
            throw .io(path: file, operation: "read back the master key", code: ENOENT)
        }
        return try vault(master)
    }

    private static func vault(_ master: [UInt8]) throws(KeyVaultError) -> KeyVault {
        let vault = KeyVault(master: master)
        guard vault.isUsable else { throw .cryptoUnavailable }
        return vault
    }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Nil when there is no such file.
    private static func read(_ path: String, mayBeShared: Bool) throws(KeyVaultError) -> [UInt8]? {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw .io(path: path, operation: "open the master key", code: errno)
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .io(path: path, operation: "examine the master key", code: errno) }
        guard mayBeShared || status.st_mode & 0o077 == 0 else { throw .readableByOthers(path: path) }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size == masterBytes else {
            throw .wrongSize(path: path, byteCount: Int(status.st_size))
        }
        var master = [UInt8](repeating: 0, count: masterBytes)
        let count = Glibc.read(file, &master, masterBytes)
        guard count >= 0 else { throw .io(path: path, operation: "read the master key", code: errno) }
        guard count == masterBytes else { throw .wrongSize(path: path, byteCount: count) }
        return master
    }

    /// Writes a new key beside `path` and links it there once it is on disk: a crash leaves the whole key or none, and of
    /// two processes that start at once one wins.
    private static func create(_ path: String) throws(KeyVaultError) {
        guard var master = Crypto.random(masterBytes), let suffix = Crypto.random(8) else { throw .cryptoUnavailable }
        defer { Crypto.wipe(&master) }
        let draft = path + "." + Hex.encode(suffix)
        let file = Glibc.open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw .io(path: draft, operation: "create the master key", code: errno) }
        defer {
            close(file)
            unlink(draft)
        }
        guard write(file, master, masterBytes) == masterBytes, fsync(file) == 0 else {
            throw .io(path: draft, operation: "write the master key", code: errno)
        }
        guard link(draft, path) == 0 || errno == EEXIST else {
            throw .io(path: path, operation: "create the master key", code: errno)
        }
        try syncDirectory(of: path)
    }

    private static func syncDirectory(of path: String) throws(KeyVaultError) {
        let name = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let directory = Glibc.open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw .io(path: name, operation: "open the data directory", code: errno) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw .io(path: name, operation: "sync the data directory", code: errno) }
    }
}
