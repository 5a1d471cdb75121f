// The environment and files of this process, read without Foundation. Main thread, at start and on a reload.
//
// SPDX-License-Identifier: Apache-2.0

@preconcurrency import Glibc
import LinkRelay

enum ProcessEnvironment {
    /// Before anything calls setenv: `environ` is not guarded by anything.
    static func read() -> [String: String] {
        var variables: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            let text = String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            next = next.advanced(by: 1)
        }
        return variables
    }

    /// A settings file's bytes, up to just over 1 MiB; nil when there is no such file.
    static func contents(of path: String) throws(FileProblem) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw FileProblem(String(cString: strerror(errno)))
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while bytes.count <= 1 << 20 {
            let count = Glibc.read(file, &block, block.count)
            if count == 0 { break }
            if count > 0 {
                bytes += block.prefix(count)
            } else if errno != EINTR {
                throw FileProblem(String(cString: strerror(errno)))
            }
        }
        return bytes
    }
}
