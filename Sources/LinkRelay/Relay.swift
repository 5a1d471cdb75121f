// The composition root: loops, shards, listeners and the periodic tasks, started and stopped as one.
//
// Any thread. What happens to a message is decided in the shards; this file only wires them. SPDX-License-Identifier: Apache-2.0

package import LinkProtocol

package enum RelayError: Error, Sendable, CustomStringConvertible {
    case noResources(String)
    case cannotListen(address: String, reason: String, isInUse: Bool)
    case store(StoreError)

    package var description: String {
        switch self {
        case .noResources(let what): "out of memory or descriptors while starting \(what)"
        case .cannotListen(let address, let reason, _): "cannot listen on \(address): \(reason)"
        case .store(let error): "the store failed: \(error)"
        }
    }
}

package final class Relay: Sendable {
    let shared: SharedParts
    let store: any LinkStore
    let log: Log
    private let accounts: Accounts
    private let tls: TLSContext?
    private let monotonic: @Sendable () -> Int64
    let startedAt: WallTime
    private let restCounters = RestCounters()
    private let shards: [ShardActor]
    private let exits: ThreadExits
    private let state = Locked(State())

    private struct State: Sendable {
        var boundAddresses: [String] = []
        var sockets: [SharedSocket] = []
        var adminAddress: String?
        var adminSocket: SharedSocket?
        var maintenance: Task<Void, Never>?
        var onEndRequest: (@Sendable () -> Void)?
    }

    /// Builds loops and shards; nothing runs yet. `keys` and `accounts` are what REST and `join` work with. `tls`: spoken on every TCP
    /// listener, never on a Unix socket.
    package init(
        settings: Settings, log: Log, store: any LinkStore, keys: KeyService, accounts: Accounts, tls: TLSContext? = nil,
        outside: OutsideAccounts = OutsideAccounts(), wallClock: @escaping @Sendable () -> WallTime, monotonic: @escaping @Sendable () -> Int64
    ) throws(RelayError) {
        self.log = log
        self.store = store
        let loopCount = settings.loops > 0 ? settings.loops : SystemFacts.coreCount
        shared = SharedParts(settings: settings, loopCount: loopCount, keys: keys, log: log, wallClock: wallClock)
        self.accounts = accounts
        self.tls = tls
        self.monotonic = monotonic
        startedAt = wallClock()
        exits = ThreadExits()
        var actors: [ShardActor] = []
        for index in 0..<loopCount {
            guard let loop = EventLoop(index: index, settings: settings, loopCount: loopCount) else {
                throw .noResources("loop \(index)")
            }
            let shard = Shard(index: index, loop: loop, shared: shared)
            loop.box.shard = .passUnretained(shard)
            actors.append(ShardActor(loop: loop, shard: shard))
        }
        shards = actors
        shared.complete(shards: actors, api: makeAPI(settings, outside), admin: makeAdmin(settings))
    }

    private func makeAPI(_ settings: Settings, _ outside: OutsideAccounts) -> RestAPI {
        RestAPI(
            keys: shared.keys, accounts: accounts, rooms: self, store: store, origins: settings.originPolicy, site: StaticSite(),
            log: log, counters: restCounters, policy: settings.policy,
            outside: outside, monotonic: monotonic)
    }

    private func makeAdmin(_ settings: Settings) -> AdminAPI {
        AdminAPI(
            shared: shared, relay: self, store: store, accounts: accounts, restCounters: restCounters, hosts: settings.acceptedHosts)
    }

    /// Takes over what may change while running: limits, origins, hosts, keys of others. Drops nobody.
    package func reload(_ settings: Settings, outside: OutsideAccounts = OutsideAccounts()) async {
        shared.replace(settings: settings, api: makeAPI(settings, outside), admin: makeAdmin(settings))
        let limits = ShardLimits(settings, loopCount: shared.loopCount)
        for shard in shards {
            await shard.run { [loopCount = shared.loopCount] in
                $0.take(limits)
                $0.loop.takeLimits(from: settings, loopCount: loopCount)
            }
        }
    }

    package var boundAddresses: [String] { state.withLock { $0.boundAddresses } }
    /// Where the operator's surface listens, `http://…` or `unix:…`; nil when it does not.
    package var adminAddress: String? { state.withLock { $0.adminAddress } }
    /// `body` runs when the operator's surface is told to drain: it has to do what SIGTERM does.
    package func onEndRequest(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onEndRequest = body } }

    /// Loads the key directory, starts the loops, opens the listeners. `inherited` are listening descriptors of socket activation; when
    /// there are some, the settings' addresses are not opened.
    package func start(inherited: [Int32] = []) async throws(RelayError) {
        do throws(StoreError) {
            try await shared.keys.preload()
            try await shared.blocks.load(from: store)
            shared.policies.replace(with: try await store.policies())
        } catch { throw .store(error) }
        for (index, shard) in shards.enumerated() {
            let exits = exits
            exits.begin()
            guard shard.loop.start(onExit: { exits.one() }) else {
                exits.one()
                throw .noResources("thread \(index)")
            }
        }
        if inherited.isEmpty {
            for address in shared.settings.listen { try await listen(on: address) }
        } else {
            for descriptor in inherited {
                await adopt(
                    SharedSocket(descriptor: descriptor, path: nil), name: "inherited descriptor \(descriptor)",
                    tls: Listening.isUnix(descriptor) ? nil : tls)
            }
        }
        try await listenForAdmin()
        let task = Task { [weak self] in
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(15))
                if !Task.isCancelled { await self?.maintain() }
            }
        }
        state.withLock { $0.maintenance = task }
    }

    /// On the first loop alone: it is for few.
    private func listenForAdmin() async throws(RelayError) {
        let settings = shared.settings
        guard let first = shards.first, !settings.dataDir.isEmpty || settings.adminListen != .standard else { return }
        let opened: (socket: SharedSocket, address: String)?
        do throws(ListenFailure) {
            opened = try AdminListening.open(settings.adminListen, dataDir: settings.dataDir)
        } catch {
            // Nobody asked for this one by name: a relay that only its operator cannot ask is better than none.
            if settings.adminListen == .standard { return log.write(.error, "admin_unavailable", ["reason": .string(error.reason)]) }
            throw .cannotListen(address: "\(settings.adminListen) (admin-listen)", reason: error.reason, isInUse: error.isInUse)
        }
        guard let opened else { return }
        await first.run { $0.listenForAdmin(opened.socket.descriptor) }
        state.withLock {
            $0.adminAddress = opened.address
            $0.adminSocket = opened.socket
        }
    }

    private func listen(on address: ListenAddress) async throws(RelayError) {
        switch address {
        case .tcp(let host, let port):
            var bound = port
            for shard in shards {
                let opened: (descriptor: Int32, port: UInt16)
                do throws(ListenFailure) {
                    opened = try Listening.open(host: host, port: bound)
                } catch {
                    throw .cannotListen(address: address.description, reason: error.reason, isInUse: error.isInUse)
                }
                bound = opened.port
                await shard.run { [tls] in $0.listen(opened.descriptor, isShared: false, tls: tls) }
            }
            let text = "\(tls == nil ? "http" : "https")://\(ListenAddress.tcp(host: host, port: bound))"
            state.withLock { $0.boundAddresses.append(text) }
        case .unix(let path):
            let descriptor: Int32
            do throws(ListenFailure) {
                descriptor = try Listening.open(path: path)
            } catch {
                throw .cannotListen(address: path, reason: error.reason, isInUse: error.isInUse)
            }
            await adopt(SharedSocket(descriptor: descriptor, path: path), name: "unix:\(path)", tls: nil)
        }
    }

    private func adopt(_ socket: SharedSocket, name: String, tls: TLSContext?) async {
        for shard in shards { await shard.run { $0.listen(socket.descriptor, isShared: true, tls: tls) } }
        state.withLock { state in
            state.sockets.append(socket)
            state.boundAddresses.append(name)
        }
    }

    /// Nobody accepts any more: what is shared is closed, and the files of Unix sockets go.
    private func closeSockets() {
        let sockets = state.withLock { state in
            defer { state.sockets = [] }
            return state.sockets
        }
        for socket in sockets { socket.close() }
    }

    /// Expires codes and idle keys; their rooms are told.
    private func maintain() async {
        do throws(StoreError) {
            // A member that stays for months never joins again: its room is in use all the same.
            for shard in shards { await shard.run { shard in for room in shard.rooms.values { shard.shared.keys.touch(room.id) } } }
            for instance in try await shared.keys.expire() { await kick(RoomID(instance.id), reason: .expired) }
            // The command line works on the same database.
            for ticket in try await shared.keys.reconcile() { await kick(ticket.room, reason: .revoked) }
        } catch {
            log.write(.error, "store_failed", ["during": "maintenance", "detail": .string("\(error)")])
        }
    }

    /// True while every loop still turns: each answers within `seconds`.
    package func isAlive(within seconds: Int) async -> Bool {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                for shard in self.shards { await shard.run { _ in } }
                return true
            }
            group.addTask {
                try? await Task.sleep(for: .seconds(seconds))
                return false
            }
            let first = await group.next() ?? false
            group.cancelAll()
            return first
        }
    }

    /// Stops accepting and closes transports spread over the drain window, so that peers come back without a herd. Returns when all are gone
    /// and their rooms' debts are kept; those who are not gone when the window and the close handshakes' time have passed are cut off.
    package func drain() async {
        shared.startDraining()
        state.withLock { $0.maintenance }?.cancel()
        for shard in shards { await shard.run { $0.startDraining() } }
        closeSockets()
        let patience = shared.settings.drainWindow.wholeMilliseconds.addingClamped(4_000)
        if await isEmpty(withinMs: patience) { return }
        for shard in shards { await shard.run { $0.cutOffStragglers() } }
        if await isEmpty(withinMs: 4_000) { return }
        // The disk hangs. What it has not taken by now may be lost.
        log.write(.error, "drain_incomplete", ["rooms": .count(shared.handoversUnderWay.withLock { $0 })])
    }

    /// Waits until no session is left and every drained room is on the shelf. False when that took longer.
    private func isEmpty(withinMs patience: Int64) async -> Bool {
        var waited: Int64 = 0
        while waited < patience {
            var open = 0
            for shard in shards { open += await shard.run { $0.sessions.count } }
            if open == 0, shared.handoversUnderWay.withLock({ $0 }) == 0 { return true }
            try? await Task.sleep(for: .milliseconds(50))
            waited += 50
        }
        return false
    }

    /// Closes the store and ends the loops, in that order: whoever waits for the store is answered on a loop. Call after `drain()`, or alone for
    /// an abrupt end.
    package func stop() async {
        state.withLock { $0.maintenance }?.cancel()
        shared.startDraining()
        await store.close()
        for shard in shards { shard.loop.stop() }
        await exits.all()
        closeSockets()
        state.withLock { $0.adminSocket }?.close()
    }
}

extension Relay: OperatorControl {
    func requestEnd() -> Bool {
        guard let body = state.withLock({ $0.onEndRequest }) else { return false }
        body()
        return true
    }
}

extension Relay: RoomControl {
    private func home(_ room: RoomID) -> ShardActor? {
        let i = room.home(loopCount: shared.loopCount)
        return shards.indices.contains(i) ? shards[i] : nil
    }

    package func kick(_ room: RoomID, reason: KickReason) async {
        shared.policies.set(InstancePolicy(), of: room)
        await home(room)?.run { $0.kick(room, reason: reason) }
    }

    package func announceUpgrade(_ room: RoomID, key: LinkKey) async {
        await home(room)?.run { $0.announceUpgrade(room, key: key) }
    }

    package func setPolicy(_ policy: InstancePolicy, of room: RoomID) async {
        shared.policies.set(policy, of: room)
        await home(room)?.run { $0.setPolicy(policy, of: room) }
    }

    package func notePairing(_ room: RoomID, from address: PeerAddress) {
        shared.recent.note(
            RecentEvent(at: shared.wallClock(), kind: .pairing, name: "self_paired", room: room, role: .sd, address: address))
    }

    package func presence(of rooms: [RoomID]) async -> [RoomID: RoomSnapshot] {
        var found: [RoomID: RoomSnapshot] = [:]
        for room in rooms { found[room] = await home(room)?.run { $0.snapshot(room) } }
        return found
    }

    package var isAccepting: Bool { !shared.isDraining }

    package func metricsText() async -> String {
        var reading = RelayReading()
        for shard in shards {
            let start = ContinuousClock.now
            let (figures, census, begun) = await shard.run { ($0.reading(forMetrics: true), $0.census(), ContinuousClock.now) }
            reading.shards.append(figures)
            reading.census.add(census)
            reading.lagSeconds = max(reading.lagSeconds, (begun - start) / .seconds(1))
        }
        reading.codes = shared.keys.codeCounts
        reading.store = store.measures
        reading.process = ProcessFigures.read()
        reading.startedAt = startedAt
        reading.connectionLimit = shared.settings.connectionCount
        reading.blockCount = shared.blocks.all.count
        reading.liveKeyCount = shared.keys.liveKeyCount
        reading.isDraining = shared.isDraining
        reading.suppressedLogLines = log.suppressedCount
        return MetricsText.render(reading)
    }
}

/// Lets `stop()` wait for the loops' threads.
final class ThreadExits: Sendable {
    private struct State: Sendable {
        var running = 0
        var waiters: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Locked(State())

    /// Before a thread is started.
    func begin() { state.withLock { $0.running += 1 } }

    func one() {
        let ready = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.running -= 1
            guard state.running <= 0 else { return [] }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in ready { waiter.resume() }
    }

    func all() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.running <= 0 { return true }
                state.waiters.append(continuation)
                return false
            }
            if isOver { continuation.resume() }
        }
    }
}
