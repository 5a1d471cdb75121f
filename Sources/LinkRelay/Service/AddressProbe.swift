// Whether an address can be listened on by this process alone.
//
// Each loop opens its own socket with SO_REUSEPORT, which would also let a second relay of the same user share the port in
// silence, each getting some of the connections. So the address is tried first without that option. May be called on any
// thread; does not block. SPDX-License-Identifier: Apache-2.0

import Glibc

package enum AddressProbe {
    /// Nil when the address is free. Port 0 always is; a Unix socket's path is the listener's own business.
    package static func obstacle(_ address: ListenAddress) -> (reason: String, isInUse: Bool)? {
        guard case .tcp(let host, let port) = address, port != 0, let ip = IPAddress(parsing: host) else { return nil }
        let socket = Glibc.socket(
            ip.isV6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return (String(cString: strerror(errno)), false) }
        defer { close(socket) }
        // Connections of an earlier run in TIME_WAIT do not count, a listener does.
        var isOn: Int32 = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &isOn, socklen_t(MemoryLayout<Int32>.size))
        if ip.isV6 { setsockopt(socket, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &isOn, socklen_t(MemoryLayout<Int32>.size)) }
        if bind(socket, ip, port), listen(socket, 1) == 0 { return nil }
        let code = errno
        return (String(cString: strerror(code)), code == EADDRINUSE)
    }

    private static func bind(_ socket: Int32, _ ip: IPAddress, _ port: UInt16) -> Bool {
        ip.isV6 ? bind6(socket, ip, port) : bind4(socket, ip, port)
    }

    private static func bind4(_ socket: Int32, _ ip: IPAddress, _ port: UInt16) -> Bool {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: ip.bytes) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    private static func bind6(_ socket: Int32, _ ip: IPAddress, _ port: UInt16) -> Bool {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: ip.bytes) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in6>.size)) == 0
            }
        }
    }
}
