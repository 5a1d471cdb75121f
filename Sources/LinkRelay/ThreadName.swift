// What a thread is called in `top -H` and in a core dump. Any thread, for itself; without /proc it keeps the name it was started with.
// SPDX-License-Identifier: Apache-2.0

import Glibc

enum ThreadName {
    /// At most 15 bytes count. Through /proc, because glibc declares the call for it only to C.
    static func set(_ name: String) {
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        _ = name.withCString { write(file, $0, strlen($0)) }
        close(file)
    }
}
