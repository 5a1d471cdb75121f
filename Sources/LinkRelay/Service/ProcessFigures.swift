// What the process takes from the system: memory, descriptors, processor time. Reads /proc; any thread, at most a few times a second.
//
// SPDX-License-Identifier: Apache-2.0

import Glibc

struct ProcessFigures: Sendable {
    var residentBytes: UInt64 = 0
    var virtualBytes: UInt64 = 0
    var openFileCount: UInt64 = 0
    var openFileLimit: UInt64 = 0
    var cpuMilliseconds: UInt64 = 0

    static func read() -> ProcessFigures {
        var figures = ProcessFigures()
        let pages = text(of: "/proc/self/statm").split(separator: " ").prefix(2).compactMap { UInt64($0) }
        let pageBytes = UInt64(clamping: sysconf(Int32(_SC_PAGESIZE)))
        if pages.count == 2 {
            figures.virtualBytes = pages[0] &* pageBytes
            figures.residentBytes = pages[1] &* pageBytes
        }
        figures.openFileCount = countFiles()
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 { figures.openFileLimit = UInt64(limit.rlim_cur) }
        var usage = rusage()
        if getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
            let times = [usage.ru_utime, usage.ru_stime]
            figures.cpuMilliseconds = times.reduce(0) {
                $0 &+ UInt64(clamping: $1.tv_sec) &* 1000 &+ UInt64(clamping: $1.tv_usec) / 1000
            }
        }
        return figures
    }

    private static func text(of path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = Glibc.read(file, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : ""
    }

    private static func countFiles() -> UInt64 {
        guard let directory = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(directory) }
        var count: UInt64 = 0
        while let entry = readdir(directory) {
            if entry.pointee.d_name.0 != 0x2E { count += 1 }
        }
        // One of them is the directory itself.
        return count > 0 ? count - 1 : 0
    }
}
