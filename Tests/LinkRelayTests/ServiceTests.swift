// What the service manager hears and hands over, on real sockets. SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import LinkRelay

/// The service manager's end of $NOTIFY_SOCKET.
private final class ListeningEnd {
    let descriptor: Int32
    let name: String

    /// `name` as in the variable: a path, or `@` and an abstract name.
    init(_ name: String) throws {
        self.name = name
        var path = Array(name.utf8)
        if path.first == 0x40 { path[0] = 0 } else { unlink(name) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        try #require(descriptor >= 0)
        let length = socklen_t(2 + path.count)
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) == 0 }
        }
        try #require(isBound)
    }

    /// The next datagram, already there; nil when there is none.
    func next() -> String? {
        var block = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &block, block.count, Int32(MSG_DONTWAIT))
        return count >= 0 ? String(decoding: block.prefix(count), as: UTF8.self) : nil
    }

    deinit {
        close(descriptor)
        if !name.hasPrefix("@") { unlink(name) }
    }
}

@Suite struct ServiceNotifierTests {
    @Test(arguments: ["@linkrelay-test-\(getpid())-abstract", "/tmp/linkrelay-test-\(getpid())-notify.sock"])
    func datagramsReachTheManager(_ name: String) throws {
        let manager = try ListeningEnd(name)
        let notifier = ServiceNotifier(environment: ["NOTIFY_SOCKET": name])
        #expect(notifier.isConnected && manager.next() == nil)
        notifier.ready(status: "Relaying")
        #expect(manager.next() == "READY=1\nSTATUS=Relaying")
        notifier.reloading()
        let reloading = try #require(manager.next()?.split(separator: "\n"))
        #expect(reloading.first == "RELOADING=1")
        #expect(reloading.last?.hasPrefix("MONOTONIC_USEC=") == true)
        #expect(Int64(reloading.last?.dropFirst(15) ?? "").map { $0 > 0 } == true)
        notifier.watchdog()
        #expect(manager.next() == "WATCHDOG=1")
        notifier.extendTimeout(.milliseconds(1500))
        #expect(manager.next() == "EXTEND_TIMEOUT_USEC=1500000")
        notifier.stopping(status: "two\nREADY=1")
        #expect(manager.next() == "STOPPING=1\nSTATUS=two READY=1", "no line of a status becomes an assignment")
        #expect(manager.next() == nil)
    }

    @Test(arguments: ["", "relative", "/nowhere/at/all", "@", "/" + String(repeating: "x", count: 200), "vsock:2:1"])
    func nobodyToTellIsFine(_ name: String) {
        let notifier = ServiceNotifier(environment: ["NOTIFY_SOCKET": name])
        #expect(!notifier.isConnected)
        notifier.ready(status: "Relaying")
        #expect(!ServiceNotifier(environment: [:]).isConnected)
    }

    @Test func theWatchdogIsHalfOfWhatIsAsked() {
        func period(_ environment: [String: String]) -> Duration? { ServiceNotifier(environment: environment).watchdogPeriod }
        #expect(period(["WATCHDOG_USEC": "30000000"]) == .seconds(15))
        #expect(period(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": String(getpid())]) == .seconds(15))
        #expect(period(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"]) == nil)
        for text in ["0", "-4", "x", ""] { #expect(period(["WATCHDOG_USEC": text]) == nil) }
        #expect(period([:]) == nil)
    }
}

@Suite struct SocketActivationTests {
    @Test func announcementsAreForThisProcessOnly() {
        let mine = ["LISTEN_PID": "42", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "web:"]
        #expect(
            SocketActivation.announced(in: mine, pid: 42) == [
                InheritedSocket(descriptor: 3, name: "web"), InheritedSocket(descriptor: 4, name: "unknown"),
            ])
        #expect(SocketActivation.announced(in: mine, pid: 43).isEmpty)
        #expect(SocketActivation.announced(in: ["LISTEN_FDS": "2"], pid: 42).isEmpty)
        for count in ["0", "-1", "65", "x", "", "99999999999"] {
            #expect(SocketActivation.announced(in: ["LISTEN_PID": "42", "LISTEN_FDS": count], pid: 42).isEmpty)
        }
        #expect(SocketActivation.announced(in: ["LISTEN_PID": "42", "LISTEN_FDS": "1"], pid: 42).map(\.name) == ["unknown"])
    }

    @Test func onlyListeningSocketsAreAdopted() throws {
        let listening = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let idle = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let file = open("/dev/null", O_RDONLY)
        defer { for descriptor in [listening, idle, file] { close(descriptor) } }
        try #require(listen(listening, 1) == 0)
        let port = SocketActivation.webAddress(of: InheritedSocket(descriptor: listening, name: "web"))?.split(separator: ":")
            .last
        #expect(port.flatMap { UInt16($0) }.map { $0 > 0 } == true)
        #expect(SocketActivation.webAddress(of: InheritedSocket(descriptor: file, name: "web")) == nil)
        let sockets = [listening, idle, file, 9999].map { InheritedSocket(descriptor: $0, name: "web") }
        let (adopted, refused) = SocketActivation.adopt(sockets)
        #expect(adopted.map(\.descriptor) == [listening])
        #expect(refused.map(\.descriptor) == [idle, file, 9999])
        #expect(fcntl(listening, F_GETFD) == FD_CLOEXEC)
        #expect(fcntl(listening, F_GETFL) & O_NONBLOCK != 0)
    }
}
