// The one table of the operator's surface: paths, parameters, bodies, answers, and who answers. Routing and the OpenAPI document
// both follow from it.
//
// Constant, any thread. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

/// A query parameter, with what it accepts.
struct AdminParameter: Sendable {
    enum Kind: Sendable {
        case integer(ClosedRange<Int64>, fallback: Int64?)
        case choice([String])
        case flag
    }
    let name: String
    let kind: Kind
    let text: String

    static let limit = AdminParameter(name: "limit", kind: .integer(1...200, fallback: 50), text: "How many at most.")
    static let cursor = AdminParameter(
        name: "cursor", kind: .integer(0...Int64.max, fallback: nil), text: "`next` of the page before.")
    static let user = AdminParameter(name: "user", kind: .integer(1...Int64.max, fallback: nil), text: "Only of this user's id.")
    static let addresses = AdminParameter(
        name: "addresses", kind: .choice(["blurred", "full"]), text: "Whole network addresses instead of their networks.")

    /// Whether `text` is a value.
    func accepts(_ text: String) -> Bool {
        switch kind {
        case .integer(let range, _):
            // One canonical spelling each, as ids have.
            guard let number = Int64(text), String(number) == text else { return false }
            return range.contains(number)
        case .choice(let words): return words.contains(text)
        case .flag: return text == "true" || text == "false"
        }
    }
}

struct AdminAnswer: Sendable {
    var status: UInt16 = 200
    var json: JSONValue
    init(_ json: JSONValue, status: UInt16 = 200) {
        self.json = json
        self.status = status
    }
}

struct AdminRoute: Sendable {
    typealias Answer = @Sendable (AdminAPI, AdminCall) async throws(AdminFailure) -> AdminAnswer

    /// The OpenAPI operationId, and the name of an action in the audit.
    let id: String
    let method: RestMethod
    /// Below `/admin/v1`; `{id}` stands for a positive number.
    let path: String
    let text: String
    var query: [AdminParameter] = []
    /// Names in AdminSchemas.
    var body: String?
    let answer: String
    var status: UInt16 = 200
    let run: Answer

    static let root = "/admin/v1"

    static let all: [AdminRoute] = rooms + accounts + process

    private static let rooms: [AdminRoute] = [
        AdminRoute(
            id: "listRooms", method: .get, path: "/rooms", text: "The rooms that somebody is in or is expected back in.",
            query: [
                .limit, .cursor, .user, .addresses,
                AdminParameter(
                    name: "install", kind: .choice(RoomFilter.Install.allCases.map(\.rawValue)),
                    text: "Whether an extension is there, away for a moment, or absent."),
                AdminParameter(name: "busy", kind: .flag, text: "With commands in flight, or without."),
            ], answer: "RoomPage", run: { (api, call) async throws(AdminFailure) in try await api.listRooms(call) }),
        AdminRoute(
            id: "getRoom", method: .get, path: "/rooms/{id}",
            text: "One room with its commands and its timeline; also one that emptied lately.",
            query: [.addresses], answer: "RoomDetail",
            run: { (api, call) async throws(AdminFailure) in try await api.room(call) }),
        AdminRoute(
            id: "kickRoom", method: .post, path: "/rooms/{id}/kick",
            text: "Sends `kicked` to every member and empties the room. Extensions forget their key; the link itself stays.",
            answer: "Done", run: { (api, call) async throws(AdminFailure) in try await api.kickRoom(call) }),
        AdminRoute(
            id: "disconnectSession", method: .post, path: "/sessions/{id}/disconnect",
            text: "Closes one member's transport; it may come back.", answer: "Done",
            run: { (api, call) async throws(AdminFailure) in try await api.disconnectSession(call) }),
        AdminRoute(
            id: "listRecent", method: .get, path: "/recent", text: "The last pairings, refusals and actions, newest first.",
            query: [
                .limit, .addresses,
                AdminParameter(name: "kind", kind: .choice(RecentEvent.Kind.allCases.map(\.rawValue)), text: "Only of this kind."),
            ], answer: "RecentList", run: { (api, call) async throws(AdminFailure) in api.recent(call) }),
    ]

    private static let accounts: [AdminRoute] = [
        AdminRoute(
            id: "listInstances", method: .get, path: "/instances", text: "The links of all users, without their keys.",
            query: [.limit, .cursor, .user], answer: "InstancePage",
            run: { (api, call) async throws(AdminFailure) in try await api.listInstances(call) }),
        AdminRoute(
            id: "expireInstance", method: .post, path: "/instances/{id}/expire",
            text: "Removes a link for good; its room is kicked.", answer: "Done",
            run: { (api, call) async throws(AdminFailure) in try await api.expireInstance(call) }),
        AdminRoute(
            id: "rekeyInstance", method: .post, path: "/instances/{id}/rekey",
            text: "Puts a link behind a new pairing code, which the answer tells; the former key opens nothing.", answer: "NewCode",
            run: { (api, call) async throws(AdminFailure) in try await api.rekeyInstance(call) }),
        AdminRoute(
            id: "listUsers", method: .get, path: "/users", text: "The users.", query: [.limit, .cursor], answer: "UserPage",
            run: { (api, call) async throws(AdminFailure) in try await api.listUsers(call) }),
        AdminRoute(
            id: "listTokens", method: .get, path: "/tokens", text: "Labels and scopes of access tokens, never the tokens.",
            query: [.limit, .cursor, .user], answer: "TokenPage",
            run: { (api, call) async throws(AdminFailure) in try await api.listTokens(call) }),
        AdminRoute(
            id: "revokeToken", method: .post, path: "/tokens/{id}/revoke", text: "Removes a token.", answer: "Done",
            run: { (api, call) async throws(AdminFailure) in try await api.revokeToken(call) }),
        AdminRoute(
            id: "listBlocks", method: .get, path: "/blocks", text: "Who is kept out.", answer: "BlockList",
            run: { (api, call) async throws(AdminFailure) in api.listBlocks() }),
        AdminRoute(
            id: "addBlock", method: .post, path: "/blocks",
            text: "Keeps a network or a user out, at once and from now on.", body: "NewBlock", answer: "AddedBlock", status: 201,
            run: { (api, call) async throws(AdminFailure) in try await api.addBlock(call) }),
        AdminRoute(
            id: "removeBlock", method: .delete, path: "/blocks/{id}", text: "Lets them in again.", answer: "Done",
            run: { (api, call) async throws(AdminFailure) in try await api.removeBlock(call) }),
    ]

    private static let process: [AdminRoute] = [
        AdminRoute(
            id: "getStatus", method: .get, path: "/status", text: "The relay in a few numbers; the totals only grow.",
            answer: "Status", run: { (api, call) async throws(AdminFailure) in await api.status() }),
        AdminRoute(
            id: "getConnections", method: .get, path: "/connections", text: "Connections and sessions by state, and how they ended.",
            answer: "Connections", run: { (api, call) async throws(AdminFailure) in await api.connections() }),
        AdminRoute(
            id: "listLimits", method: .get, path: "/limits", text: "Every limit with its value and how often it bit.",
            answer: "LimitList", run: { (api, call) async throws(AdminFailure) in await api.limits() }),
        AdminRoute(
            id: "checkConsistency", method: .get, path: "/consistency",
            text: "Whether the relay's maps and gauges agree with each other.", answer: "Consistency",
            run: { (api, call) async throws(AdminFailure) in await api.consistency() }),
        AdminRoute(
            id: "getLogLevel", method: .get, path: "/log-level", text: "The least urgent level that is logged.", answer: "LogLevel",
            run: { (api, call) async throws(AdminFailure) in api.logLevel() }),
        AdminRoute(
            id: "setLogLevel", method: .post, path: "/log-level", text: "Changes it until the next restart or reload.",
            body: "LogLevel", answer: "LogLevel",
            run: { (api, call) async throws(AdminFailure) in try api.setLogLevel(call) }),
        AdminRoute(
            id: "drain", method: .post, path: "/drain",
            text: "Does what SIGTERM does: stops accepting, closes connections over the drain window, and ends the process.",
            answer: "Done", status: 202, run: { (api, call) async throws(AdminFailure) in try api.drain(call) }),
    ]

    // MARK: Finding

    /// The number that stands for `{id}`: nil if the path is another, 0 if there is none in it.
    func match(_ given: [Substring]) -> Int64? {
        let own = path.split(separator: "/")
        guard own.count == given.count else { return nil }
        var id: Int64 = 0
        for (mine, theirs) in zip(own, given) {
            if mine == "{id}" {
                guard let number = FieldRules.instanceID(theirs.utf8)?.rawValue else { return nil }
                id = number
            } else if mine != theirs {
                return nil
            }
        }
        return id
    }
}
