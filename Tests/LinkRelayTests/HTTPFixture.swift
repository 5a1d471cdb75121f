// A whole REST surface over the memory store, with rooms that only write down what they were asked.
//
// Each test makes its own: nothing is shared, so tests run in parallel. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

/// Records the calls; answers presence and readiness as told.
final class RecordingRooms: RoomControl {
    enum Call: Hashable {
        case kick(RoomID, KickReason)
        case announce(RoomID, LinkKey)
        case policy(RoomID, InstancePolicy)
    }

    private struct State {
        var calls: [Call] = []
        var snapshots: [RoomID: RoomSnapshot] = [:]
        var isAccepting = true
    }

    private let state = Locked(State())

    var calls: [Call] { state.withLock { $0.calls } }
    var isAccepting: Bool { state.withLock { $0.isAccepting } }
    func drain() { state.withLock { $0.isAccepting = false } }
    func seat(_ presence: Presence, in room: RoomID) {
        state.withLock { $0.snapshots[room] = RoomSnapshot(presence: presence, commandsInFlight: 0) }
    }

    func kick(_ room: RoomID, reason: KickReason) async { state.withLock { $0.calls.append(.kick(room, reason)) } }
    func announceUpgrade(_ room: RoomID, key: LinkKey) async { state.withLock { $0.calls.append(.announce(room, key)) } }
    func setPolicy(_ policy: InstancePolicy, of room: RoomID) async {
        state.withLock { $0.calls.append(.policy(room, policy)) }
    }
    func presence(of rooms: [RoomID]) async -> [RoomID: RoomSnapshot] {
        state.withLock { state in state.snapshots.filter { rooms.contains($0.key) } }
    }
    func metricsText() async -> String { "rooms 1\n" }
}

/// Keeps what was logged, as text.
final class KeptLines: LogSink {
    private let lines = Locked<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func take(_ entry: LogEntry) {
        let text = entry.event.description + entry.fields.map { " \($0.key)=\($0.value)" }.joined()
        lines.withLock { $0.append(text) }
    }
}

struct RestFixture {
    static let host = "relay.example"
    static let ownOrigin = "http://relay.example"
    static let friend = "https://front.example"

    let store: any LinkStore
    let accounts: Accounts
    let keys: KeyService
    let rooms = RecordingRooms()
    let lines = KeptLines()
    let rest: RestAPI
    let user: UserRecord
    /// Of `user`, with the link scope.
    let token: String
    let now = Locked<Int64>(1_000_000)

    init(instanceLimit: Int = 3, store: any LinkStore = MemoryLinkStore(), site: StaticSite = StaticSite(files: [])) async throws
    {
        let vault = KeyVault(master: [UInt8](repeating: 7, count: 32))
        let wall: @Sendable () -> WallTime = { 1_769_862_896_789 }
        let now = now
        let monotonic: @Sendable () -> Int64 = { now.withLock { $0 } }
        self.store = store
        accounts = Accounts(store: store, vault: vault, wallClock: wall)
        keys = KeyService(
            store: store, vault: vault, policy: KeyPolicy(instanceLimit: instanceLimit),
            wrongCodes: WrongCodeLimiter(burst: 5, interval: .seconds(30), totalPerMinute: 60), wallClock: wall,
            monotonic: monotonic)
        rest = RestAPI(
            keys: keys, accounts: accounts, rooms: rooms, store: store,
            origins: OriginPolicy(allowed: [Self.friend], hosts: [Self.host]), site: site,
            log: Log(level: .debug, sink: lines), monotonic: monotonic)
        user = try await accounts.ensureOwner().0
        token = try await accounts.newToken(user: user.id, label: "test", scopes: [.link])
    }

    /// Another user's bearer token.
    func stranger(scopes: Set<TokenScope> = [.link]) async throws -> String {
        let user = try #require(try await accounts.add(name: "stranger", role: .user))
        return try await accounts.newToken(user: user.id, label: "test", scopes: scopes)
    }

    /// A browser's signed-in cookie header for `user`.
    func cookie(isSecure: Bool = false) async throws -> String {
        "\(SessionCookie.name(isSecure: isSecure))=\(try await accounts.newWebSession(user: user.id))"
    }

    /// Sends as given, with this relay's host; a JSON body brings its content type.
    func send(
        _ method: String, _ target: String, json: String? = nil, _ headers: [String: String] = [:], isSecure: Bool = false
    ) async -> HTTPResponse {
        let parts = target.split(separator: "?", maxSplits: 1)
        var all = ["host": Self.host]
        if json != nil { all["content-type"] = "application/json" }
        all.merge(headers) { $1 }
        return await rest.respond(
            to: HTTPRequest(
                method: method, path: String(parts[0]), query: parts.count > 1 ? String(parts[1]) : nil,
                headers: all.filter { !$0.value.isEmpty }.map { ($0.key, $0.value) }, body: Array((json ?? "").utf8),
                isSecure: isSecure))
    }

    /// Sends with the bearer token of `user`.
    func call(_ method: String, _ target: String, json: String? = nil, token: String? = nil) async -> HTTPResponse {
        await send(method, target, json: json, ["authorization": "Bearer \(token ?? self.token)"])
    }

    /// A new instance of `user`: its id and code.
    func issue() async throws -> (id: Int64, code: String) {
        let made = try await call("POST", "/api/link").object
        return (try #require(made["id"]?.intValue), try #require(made["key"]?.stringValue))
    }
}

extension HTTPResponse {
    /// The first header of that name, whatever its case.
    func header(_ name: String) -> String? { headers.first { $0.name.lowercased() == name.lowercased() }?.value }

    var text: String { String(decoding: body, as: UTF8.self) }

    var object: JSONValue {
        get throws { try JSONValue(parsing: body) }
    }

    /// The machine code of a refusal.
    var code: String? { (try? object)?["code"]?.stringValue }
}
