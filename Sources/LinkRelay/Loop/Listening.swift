// Opening sockets and giving them to loops; the engine's limits from the settings; a loop's figures.
//
// `Listening.open` may be called on any thread, the extensions of Shard on its loop. SPDX-License-Identifier: Apache-2.0

import CWebSocket
import Glibc

struct ListenFailure: Error {
    var reason: String
    var isInUse: Bool
}

/// A descriptor that all loops accept from, and the file of a Unix socket that goes with it.
struct SharedSocket: Sendable {
    let descriptor: Int32
    private let path: String?
    private let inode: UInt64

    /// `path`: what to remove when it is closed; nil for what somebody else has opened.
    init(descriptor: Int32, path: String?) {
        self.descriptor = descriptor
        self.path = path
        inode = path.flatMap(Self.inode) ?? 0
    }

    /// After every loop has stopped accepting. A file that another process has put there meanwhile stays.
    func close() {
        if let path, inode != 0, Self.inode(path) == inode { unlink(path) }
        _ = Glibc.close(descriptor)
    }

    private static func inode(_ path: String) -> UInt64? {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK ? UInt64(status.st_ino) : nil
    }
}

enum Listening {
    static let backlog: Int32 = 4096

    /// A TCP socket with SO_REUSEPORT, so that every loop has its own. Port 0 chooses one.
    static func open(host: String, port: UInt16) throws(ListenFailure) -> (descriptor: Int32, port: UInt16) {
        var descriptor: Int32 = -1
        var bound: UInt16 = 0
        let status = cws_socket_listen(host, port, true, backlog, &descriptor, &bound)
        guard status == CWS_OK else { throw failure(status) }
        return (descriptor, bound)
    }

    static func open(path: String, mode: UInt32 = 0o660) throws(ListenFailure) -> Int32 {
        var descriptor: Int32 = -1
        let status = cws_socket_listen_unix(path, mode, &descriptor)
        guard status == CWS_OK else { throw failure(status) }
        return descriptor
    }

    /// Whether an inherited socket is one that TLS is spoken on: everything but a Unix socket.
    static func isUnix(_ descriptor: Int32) -> Bool {
        var address = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(descriptor, $0, &size) == 0 && $0.pointee.sa_family == sa_family_t(AF_UNIX)
            }
        }
    }

    private static func failure(_ status: cws_status) -> ListenFailure {
        let text = status == CWS_SYSTEM ? String(cString: cws_last_error()) : String(cString: cws_status_text(status))
        return ListenFailure(reason: text, isInUse: status == CWS_ADDRESS_IN_USE)
    }
}

extension Shard {
    static let publicTag: UInt16 = 1

    func listen(_ descriptor: Int32, isShared: Bool, tls: TLSContext?) {
        var options = cws_listener_options()
        options.tls = tls?.raw
        options.expects_proxy_header = shared.settings.proxyProtocol
        options.tag = Self.publicTag
        options.is_shared = isShared
        if cws_loop_listen_take(loop.raw, descriptor, &options) != CWS_OK {
            shared.log.write(.error, "listen_failed", ["loop": .int(Int64(index)), "detail": .string(String(cString: cws_last_error()))])
        }
    }

    func unlisten() { cws_loop_unlisten(loop.raw, Self.publicTag) }

    /// `forMetrics`: the longest turn is counted from the last such reading.
    func reading(forMetrics: Bool = false) -> ShardReading {
        var stats = cws_loop_stats()
        cws_loop_read_stats(loop.raw, &stats)
        unreportedTurnNs = max(unreportedTurnNs, stats.max_turn_ns)
        stats.max_turn_ns = unreportedTurnNs
        if forMetrics { unreportedTurnNs = 0 }
        var reading = ShardReading(counters: counters)
        reading.counters.loopBudgetCount &+= stats.starved_count
        reading.figures = [
            ("connections_accepted_total", stats.accepted_count, true), ("connections_open", stats.open_count, false),
            ("websockets_open", stats.websocket_count, false), ("tls_connections_open", stats.tls_count, false),
            ("tls_handshakes_total", stats.handshakes_count, true), ("tls_resumed_total", stats.resumed_count, true),
            ("tls_handshakes_deferred_total", stats.handshakes_deferred_count, true), ("http_requests_total", stats.requests_count, true),
            ("upgrades_total", stats.upgrades_count, true), ("messages_in_total", stats.messages_in_count, true),
            ("messages_out_total", stats.messages_out_count, true), ("bytes_in_total", stats.bytes_in, true),
            ("bytes_out_total", stats.bytes_out, true), ("queued_bytes", stats.queued_bytes, false),
            ("message_bytes", stats.message_bytes, false),
            ("buffered_bytes", stats.buffered_bytes, false), ("connections_moved_total", stats.moved_in_count, true),
            ("accept_paused_total", stats.accept_paused_count, true), ("loop_turns_total", stats.turns_count, true),
            ("loop_slow_turns_total", stats.slow_turns_count, true),
            ("loop_busy_nanoseconds_total", stats.busy_ns, true), ("loop_longest_turn_nanoseconds", stats.max_turn_ns, false),
            ("messages_compressed_total", stats.deflated_count, true),
            ("compression_in_bytes_total", stats.deflated_plain_bytes, true), ("compression_out_bytes_total", stats.deflated_bytes, true),
            ("messages_inflated_total", stats.inflated_count, true),
            ("inflation_in_bytes_total", stats.inflated_wire_bytes, true), ("inflation_out_bytes_total", stats.inflated_bytes, true),
            ("inflations_refused_total", stats.inflate_refused_count, true),
            ("http_bodies_compressed_total", stats.gzip_count, true),
            ("http_compression_in_bytes_total", stats.gzip_plain_bytes, true), ("http_compression_out_bytes_total", stats.gzip_bytes, true),
        ]
        reading.relayTimes = withUnsafeBytes(of: stats.relay_count) { Array($0.bindMemory(to: UInt64.self)) }
        reading.relayNanoseconds = stats.relay_ns
        withUnsafeBytes(of: stats.reason_count) { raw in
            let counts = raw.bindMemory(to: UInt64.self)
            for i in 1..<min(counts.count, Int(CWS_R_COUNT.rawValue)) {
                let reason = cws_reason(rawValue: UInt32(i))
                reading.connectionEndings.append((String(cString: cws_reason_name(reason)), counts[i]))
            }
        }
        reading.roomCount = rooms.count
        reading.sessionCount = sessions.count
        reading.commandsInFlight = rooms.values.reduce(0) { $0 + $1.ledger.openCount }
        return reading
    }
}

extension EventLoop {
    /// Upper bounds of what `ShardReading.relayTimes` counts, in microseconds; one more holds the rest.
    static let relayBounds = UnsafeBufferPointer(start: cws_relay_bounds_us(), count: Int(CWS_RELAY_BOUND_COUNT)).map(UInt64.init)

    convenience init?(index: Int, settings: Settings, loopCount: Int) {
        self.init(index: index, limits: Self.limits(settings, loopCount: loopCount))
    }

    /// Loop thread: the engine's share of a reload; holds for what comes from now on.
    func takeLimits(from settings: Settings, loopCount: Int) {
        var limits = Self.limits(settings, loopCount: loopCount)
        cws_loop_set_limits(raw, &limits)
    }

    private static func limits(_ settings: Settings, loopCount: Int) -> cws_limits {
        var limits = cws_limits_default()
        limits.head_bytes = UInt32(clamping: settings.headBytes)
        limits.head_timeout_ms = UInt32(clamping: settings.headTimeout.wholeMilliseconds)
        limits.body_timeout_ms = UInt32(clamping: settings.bodyTimeout.wholeMilliseconds)
        limits.held_bytes = UInt64(clamping: settings.processMemoryBytes / loopCount)
        limits.pressure_ms = UInt32(clamping: settings.heartbeatTimeout.wholeMilliseconds)
        limits.keepalive_timeout_ms = UInt32(clamping: settings.keepaliveTimeout.wholeMilliseconds)
        limits.queue_low_bytes = UInt32(clamping: settings.memberQueueBytes / 4)
        limits.fragment_count = UInt32(clamping: settings.fragmentCount)
        limits.connection_count = UInt32(clamping: settings.connectionCount)
        // They come before anybody was asked about the origin, hold nothing of the request, and tell the same to everybody.
        limits.opens_refusals = !settings.originPolicy.allowed.isEmpty
        limits.deflate_min_bytes = UInt32(clamping: settings.compressionThresholdBytes)
        return limits
    }
}

enum SystemFacts {
    static var coreCount: Int {
        let n = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        return n > 0 ? min(n, 64) : 1
    }
}
