// Tells the service manager how the daemon is: sd_notify(3)'s datagrams on $NOTIFY_SOCKET, without libsystemd.
//
// Any thread; a send never blocks. Without the variable, or with a socket that is gone, nothing happens: a daemon started by
// hand has nobody to tell. SPDX-License-Identifier: Apache-2.0

import Glibc

package final class ServiceNotifier: Sendable {
    /// -1 when there is nobody to tell.
    private let descriptor: Int32
    /// Half of $WATCHDOG_USEC; nil when no watchdog was asked of this process.
    package let watchdogPeriod: Duration?

    /// `environment` with NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID as systemd sets them.
    package init(environment: [String: String]) {
        descriptor = environment["NOTIFY_SOCKET"].map { Self.connect(to: $0) } ?? -1
        watchdogPeriod = Self.watchdogPeriod(environment)
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    package var isConnected: Bool { descriptor >= 0 }

    /// Start-up (or a reload) is over. `status` is one line for `systemctl status`.
    package func ready(status: String) { send(["READY=1", "STATUS=\(status)"]) }

    /// A reload begins; `ready` ends it.
    package func reloading() {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        send(["RELOADING=1", "MONOTONIC_USEC=\(Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)"])
    }

    package func stopping(status: String) { send(["STOPPING=1", "STATUS=\(status)"]) }

    package func watchdog() { send(["WATCHDOG=1"]) }

    /// Gives the stop more time than the unit's TimeoutStopSec, for a drain that is longer.
    package func extendTimeout(_ duration: Duration) {
        let (microseconds, isTooLarge) = DurationText.milliseconds(duration).multipliedReportingOverflow(by: 1000)
        if !isTooLarge { send(["EXTEND_TIMEOUT_USEC=\(microseconds)"]) }
    }

    /// One datagram; a line end inside an assignment would begin another one.
    private func send(_ assignments: [String]) {
        guard descriptor >= 0 else { return }
        let text = assignments.map { $0.replacing("\n", with: " ") }.joined(separator: "\n")
        let bytes = Array(text.utf8)
        _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
    }

    /// `/path`, or `@name` for the abstract namespace; -1 for anything else.
    private static func connect(to name: String) -> Int32 {
        var path = Array(name.utf8)
        var address = sockaddr_un()
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard let first = path.first, first == 0x2F || first == 0x40, path.count > 1, path.count < room, !path.contains(0)
        else { return -1 }
        if first == 0x40 { path[0] = 0 }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        // An abstract name is as long as the address says; a path is ended by its zero byte.
        let length = (MemoryLayout.offset(of: \sockaddr_un.sun_path) ?? 2) + path.count + (first == 0x40 ? 0 : 1)
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return -1 }
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(socket, $0, socklen_t(length)) == 0 }
        }
        if isConnected { return socket }
        Glibc.close(socket)
        return -1
    }

    private static func watchdogPeriod(_ environment: [String: String]) -> Duration? {
        guard let microseconds = environment["WATCHDOG_USEC"].flatMap({ Int64($0) }), microseconds > 1 else { return nil }
        // Meant for another process when WATCHDOG_PID says so (sd_watchdog_enabled(3)).
        if let owner = environment["WATCHDOG_PID"], owner != String(getpid()) { return nil }
        return .microseconds(microseconds / 2)
    }
}
