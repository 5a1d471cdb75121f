// What all shards share: settings, keys, the REST surface, and the directory of Engine.IO sessions.
//
// Any thread. Everything here is immutable or guards itself with a lock that is taken per request or per join, never per frame.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

final class SharedParts: Sendable {
    let loopCount: Int
    let keys: KeyService
    let log: Log
    let wallClock: @Sendable () -> WallTime
    let directory = EngineDirectory()
    let policies = PolicyDirectory()
    let addresses: AddressCensus
    let blocks = AccessBlocks()
    let recent = RecentEvents()
    private let late = Locked<[ShardActor]>([])
    private let changeable: Locked<Changeable>
    private let draining = Locked(false)
    /// Rooms on their way to the shelf; the drain waits for them.
    let handoversUnderWay = Locked(0)

    /// What SIGHUP may replace; read once a request, never per frame.
    private struct Changeable: Sendable {
        var settings: Settings
        var origins: OriginPolicy
        var api: RestAPI?
        var admin: AdminAPI?
        var strictTransport: String?

        init(_ settings: Settings, api: RestAPI? = nil, admin: AdminAPI? = nil) {
            self.settings = settings
            self.api = api
            self.admin = admin
            origins = settings.originPolicy
            strictTransport = settings.hstsMaxAge > .zero ? "max-age=\(settings.hstsMaxAge.components.seconds)" : nil
        }
    }

    init(
        settings: Settings, loopCount: Int, keys: KeyService, log: Log, wallClock: @escaping @Sendable () -> WallTime
    ) {
        self.loopCount = loopCount
        self.keys = keys
        self.log = log
        self.wallClock = wallClock
        changeable = Locked(Changeable(settings))
        addresses = AddressCensus(limit: settings.connectionsPerAddress)
    }

    /// Called once, before the first listener opens.
    func complete(shards: [ShardActor], api: RestAPI, admin: AdminAPI) {
        late.withLock { $0 = shards }
        changeable.withLock {
            $0.api = api
            $0.admin = admin
        }
    }

    func replace(settings: Settings, api: RestAPI, admin: AdminAPI) {
        changeable.withLock { $0 = Changeable(settings, api: api, admin: admin) }
    }

    var shards: [ShardActor] { late.withLock { $0 } }
    var settings: Settings { changeable.withLock { $0.settings } }
    var origins: OriginPolicy { changeable.withLock { $0.origins } }
    var api: RestAPI? { changeable.withLock { $0.api } }
    var trustedProxies: [NetworkPrefix] { changeable.withLock { $0.settings.trustedProxies } }
    /// The value of Strict-Transport-Security; nil when browsers are not told.
    var strictTransport: String? { changeable.withLock { $0.strictTransport } }

    func trusts(_ proxy: PeerAddress) -> Bool { trustedProxies.contains { $0.contains(proxy) } }
    var admin: AdminAPI? { changeable.withLock { $0.admin } }

    var isDraining: Bool { draining.withLock { $0 } }
    func startDraining() { draining.withLock { $0 = true } }
}

/// Which loop an Engine.IO session lives on, and how large a body it may post.
final class EngineDirectory: Sendable {
    struct Place: Sendable {
        private let loopNumber: UInt32
        let role: Role?
        let isSeated: Bool

        init(loop: Int, role: Role?, isSeated: Bool = false) {
            loopNumber = UInt32(clamping: loop)
            self.role = role
            self.isSeated = isSeated
        }

        var loop: Int { Int(loopNumber) }
    }

    private struct Entry: Sendable {
        let sid: EngineSID
        let place: Place
    }

    private enum BySID: Keying {
        static func key(of entry: Entry) -> EngineSID { entry.sid }
        static func hash(_ sid: EngineSID) -> UInt64 { sid.high }
    }

    private let entries = Locked(DenseTable<BySID>())

    var count: Int { entries.withLock { $0.count } }
    func place(of sid: EngineSID) -> Place? { entries.withLock { $0[sid]?.place } }
    func set(_ sid: EngineSID, _ place: Place) { entries.withLock { $0.put(Entry(sid: sid, place: place)) } }
    func remove(_ sid: EngineSID) { _ = entries.withLock { $0.remove(sid) } }
}

/// How many sessions each address (IPv6: /64) has open. Loopback and Unix sockets are not counted: they are proxies.
final class AddressCensus: Sendable {
    private let limit: Int
    private let counts = Locked<[[UInt8]: Int]>([:])

    init(limit: Int) { self.limit = limit }

    /// False when the address is at its limit.
    func enter(_ address: PeerAddress) -> Bool {
        guard limit > 0, !address.isLocal else { return true }
        return counts.withLock { counts in
            let n = counts[address.limitPrefix, default: 0]
            guard n < limit else { return false }
            counts[address.limitPrefix] = n + 1
            return true
        }
    }

    /// Sessions counted just now.
    var total: Int { counts.withLock { $0.values.reduce(0, +) } }

    func leave(_ address: PeerAddress) {
        guard limit > 0, !address.isLocal else { return }
        counts.withLock { counts in
            guard let n = counts[address.limitPrefix] else { return }
            counts[address.limitPrefix] = n > 1 ? n - 1 : nil
        }
    }
}

extension PeerAddress {
    /// Loopback or a Unix socket.
    var isLocal: Bool {
        switch family {
        case .unix: true
        case .v4: bytes.first == 127
        case .v6: bytes.count == 16 && bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
        }
    }
}

extension Settings {
    var originPolicy: OriginPolicy { OriginPolicy(allowed: acceptedOrigins, hosts: acceptedHosts) }
}
