// `relayd backup`: the database, and if asked for the master key, in new files.
//
// Main task; blocks. Makes no data directory, changes nothing in it, and overwrites nothing. SPDX-License-Identifier: Apache-2.0

import Glibc
import LinkRelay

struct Backup {
    private let directory: String

    init(_ settings: Settings) { directory = settings.dataDir }

    func write(to target: String, includesKey: Bool) throws(Failure) {
        let source = "\(directory)/\(StorageDirectory.databaseName)"
        guard access(source, F_OK) == 0 else {
            throw StorageDirectory.absent(directory)
        }
        // The key first: a copy without the key that was asked for would look complete.
        let keyFile = "\(target).key"
        if includesKey { try copyKey(to: keyFile) }
        do {
            try SQLiteLinkStore.backUp(from: source, to: target, requiring: includesKey ? try KeyVault.open(file: keyFile)?.mark : nil)
        } catch {
            if includesKey { unlink(keyFile) }
            throw Failure(.storage, "no backup was made: \(error).")
        }
        Terminal.say(target)
        if includesKey {
            Terminal.say("\(keyFile)   # opens every link in the backup: keep the two apart")
        } else {
            Terminal.say("# Without \(KeyVault.fileName) of the data directory it opens no link: keep that file somewhere else.")
        }
    }

    private func copyKey(to target: String) throws(Failure) {
        let source = "\(directory)/\(KeyVault.fileName)"
        let bytes: [UInt8]?
        do { bytes = try ProcessEnvironment.contents(of: source) } catch { throw Failure(.storage, "\(source): \(error.sentence).") }
        guard let bytes else {
            throw Failure(.storage, "there is no \(source); a key that comes from systemd's credentials is saved where it is kept.")
        }
        let file = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw Failure(.storage, "\(target) cannot be made: \(String(cString: strerror(errno))).") }
        let isWritten = Glibc.write(file, bytes, bytes.count) == bytes.count && fsync(file) == 0
        close(file)
        guard isWritten else {
            unlink(target)
            throw Failure(.storage, "\(target) cannot be written: \(String(cString: strerror(errno))).")
        }
    }
}
