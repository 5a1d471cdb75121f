// The process's own limits, set once at start on the main thread: open files as many as allowed, core dumps none.
//
// SPDX-License-Identifier: Apache-2.0

import Glibc

package enum ProcessLimits {
    /// Descriptors that are not connections: database, log, loops, listeners, the spare ones.
    private static let reserve = 128

    /// Raises the soft limit of open files to the hard one; returns how many connections that leaves room for.
    package static func raiseOpenFiles() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        if limit.rlim_cur < limit.rlim_max {
            let soft = limit.rlim_cur
            limit.rlim_cur = limit.rlim_max
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) != 0 { limit.rlim_cur = soft }
        }
        return max(0, Int(clamping: limit.rlim_cur) - reserve)
    }

    /// A core dump would hold every key in memory.
    package static func forbidCoreDumps() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = 0
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
    }
}
