// The operator's surface: who may call, which route answers, what every answer carries. Served by a listener of its own and never by
// the public ones (Shard+HTTP decides by the listener a connection came by).
//
// Any thread, no state of its own. On the Unix socket the file's mode is the gate; elsewhere a token with the scope admin. Every action is
// audited. Must never hand out a key, token or message. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

final class AdminAPI: Sendable {
    let shared: SharedParts
    let relay: any OperatorControl
    let store: any LinkStore
    let keys: KeyService
    let restCounters: RestCounters
    private let accounts: Accounts
    private let origins: OriginPolicy
    private let files: AdminFiles

    init(
        shared: SharedParts, relay: any OperatorControl, store: any LinkStore, accounts: Accounts, restCounters: RestCounters,
        hosts: [String]
    ) {
        self.shared = shared
        self.relay = relay
        self.store = store
        self.accounts = accounts
        self.restCounters = restCounters
        keys = shared.keys
        // No other origin has any business here, whatever the public side allows.
        origins = OriginPolicy(allowed: [], hosts: hosts)
        files = AdminFiles()
    }

    func respond(to request: HTTPRequest) async -> HTTPResponse {
        var response = await AnswerDeadline.first(within: .milliseconds(StoreRules.answerMilliseconds)) {
            await self.answerOrRefuse(request)
        } otherwise: {
            self.unavailable(StoreError(.busy, "no answer in time; the change may still happen")).response
        }
        response.headers += [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer")]
        if !response.headers.contains(where: { $0.name == "Cache-Control" }) { response.headers.append(("Cache-Control", "no-store")) }
        return response
    }

    private func answerOrRefuse(_ request: HTTPRequest) async -> HTTPResponse {
        do throws(AdminFailure) {
            return try await answer(request)
        } catch {
            if error.refusal == .badToken || error.refusal == .missingScope || error.refusal == .crossSite {
                shared.log.write(
                    .warning, "admin_refused", ["reason": .string(error.refusal.rawValue), "peer": .string(request.remote.description)])
            }
            return error.response
        }
    }

    private func answer(_ request: HTTPRequest) async throws(AdminFailure) -> HTTPResponse {
        guard let host = request.header("host"), origins.isHostAllowed(host) else { throw AdminFailure(.unknownHost) }
        if let file = files.response(to: request, origins: origins) { return file }
        guard isFromHere(request) else { throw AdminFailure(.crossSite) }
        // For `relayd health`, which has no token: the public side tells everybody the same.
        if request.path == "/readyz", request.method == "GET", let api = shared.api { return await api.readiness() }
        let path = request.path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        let isBelowRoot = request.path.hasPrefix(AdminRoute.root + "/")
        guard isBelowRoot || request.path == "/metrics" else { throw AdminFailure(.notFound) }
        let actor = try await caller(request)
        if request.path == "/metrics" || request.path == AdminRoute.root + "/openapi.json" {
            return try await document(request)
        }
        let given = Array(path.dropFirst(2))
        let known = AdminRoute.all.compactMap { route in route.match(given).map { (route, $0) } }
        guard !known.isEmpty else { throw AdminFailure(.notFound) }
        let method = request.method == "HEAD" ? "GET" : request.method
        guard let (route, id) = known.first(where: { $0.0.method.rawValue == method }) else { throw wrongMethod(known.map(\.0.method)) }
        let call = try AdminCall(request, route, id: id, actor: actor)
        let answer = try await route.run(self, call)
        return HTTPResponse.json(answer.json, status: answer.status)
    }

    private func document(_ request: HTTPRequest) async throws(AdminFailure) -> HTTPResponse {
        guard request.method == "GET" || request.method == "HEAD" else { throw wrongMethod([.get]) }
        if request.path == "/metrics" {
            let text = await relay.metricsText() + restCounters.metricsText
            return HTTPResponse(
                status: 200, headers: [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")], body: Array(text.utf8))
        }
        return .json(AdminDocument.openAPI)
    }

    private func wrongMethod(_ methods: [RestMethod]) -> AdminFailure {
        var failure = AdminFailure(.methodNotAllowed)
        failure.headers.append(("Allow", methods.map(\.rawValue).joined(separator: ", ")))
        return failure
    }

    /// No browser, or this surface's own page. `ssh -L` puts the Unix socket within reach of every page the operator has open.
    private func isFromHere(_ request: HTTPRequest) -> Bool {
        if let site = request.header("sec-fetch-site"), site != "same-origin", site != "none" { return false }
        let values = request.headers.filter { $0.name == "origin" }.map(\.value)
        guard let origin = values.first else { return true }
        guard values.count == 1 else { return false }
        // A proxy in front may speak TLS: either scheme of this very host is us.
        return [false, true].contains { isSecure in
            origins.judge(origin: origin, host: request.header("host"), isSecure: isSecure) == .sameOrigin
        }
    }

    private func caller(_ request: HTTPRequest) async throws(AdminFailure) -> AdminActor {
        guard let token = RestCall(request: request, method: .get, verdict: .none).bearerToken else {
            if request.remote.family == .unix { return .socket }
            throw AdminFailure(.signInRequired)
        }
        let found: (user: UserRecord, token: TokenRecord)?
        do { found = try await accounts.bearer(token) } catch { throw unavailable(error) }
        guard let (user, record) = found else { throw AdminFailure(.badToken) }
        guard record.scopes.contains(.admin) else { throw AdminFailure(.missingScope) }
        return .token(id: record.id, label: record.label, user: user.name)
    }

    // MARK: For the routes

    func unavailable(_ error: StoreError) -> AdminFailure {
        shared.log.write(.error, "admin_store_failed", ["kind": .string(error.kind.rawValue), "detail": .string(error.detail)])
        return AdminFailure(.storeUnavailable)
    }

    func stored<Answer: Sendable>(_ ask: () async throws(StoreError) -> Answer) async throws(AdminFailure) -> Answer {
        do { return try await ask() } catch { throw unavailable(error) }
    }

    /// One line of the log for every action, whatever the log's level, and an entry among the recent events.
    func audit(_ call: AdminCall, _ action: String, _ target: String) {
        shared.log.audit(
            "admin_action", ["action": .string(action), "target": .string(target), "actor": .string(call.actor.description)])
        shared.recent.note(
            RecentEvent(
                at: shared.wallClock(), kind: .action, name: action, actor: call.actor.description, target: target))
    }

    static let done = AdminAnswer(["success": true])
}

/// What the operator's surface may do to the running relay.
protocol OperatorControl: RoomControl {
    /// Asks whoever runs the relay to end it as SIGTERM would; false when nobody listens.
    func requestEnd() -> Bool
    var startedAt: WallTime { get }
}
