// Which paths exist, which methods each knows, and who answers.
//
// Pure values, any thread. Paths are compared whole: the engine has refused whatever would need normalising, so nothing here
// may decode, trim or fold a path. SPDX-License-Identifier: Apache-2.0

/// The methods that any route knows.
enum RestMethod: String, Sendable, CaseIterable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case delete = "DELETE"
    case options = "OPTIONS"

    /// Changes nothing (RFC 9110 section 9.2.1).
    var isSafe: Bool {
        switch self {
        case .get, .head, .options: true
        case .post, .put, .delete: false
        }
    }
}

enum Route: Hashable, Sendable {
    case link, selfPair, policy, events, approvals, session, signOutEverywhere, tokens, qr, health, readiness, metrics
    /// A file of the page.
    case file(StaticSite.File)

    /// Nil when nothing is there.
    init?(path: String, site: StaticSite) {
        switch path {
        case "/api/link": self = .link
        case "/api/link/self": self = .selfPair
        case "/api/link/policy": self = .policy
        case "/api/link/events": self = .events
        case "/api/link/approvals": self = .approvals
        case "/api/session": self = .session
        case "/api/session/everywhere": self = .signOutEverywhere
        case "/api/tokens": self = .tokens
        case "/api/qr": self = .qr
        case "/healthz": self = .health
        case "/readyz": self = .readiness
        case "/metrics": self = .metrics
        default:
            guard let file = site.entry(at: path) else { return nil }
            self = .file(file)
        }
    }

    var methods: [RestMethod] {
        switch self {
        case .link: [.get, .head, .post, .put, .delete, .options]
        case .session, .tokens: [.get, .head, .post, .delete, .options]
        case .policy: [.get, .head, .put, .options]
        case .approvals: [.get, .head, .post, .options]
        case .selfPair, .signOutEverywhere, .qr: [.post, .options]
        case .events, .health, .readiness, .metrics, .file: [.get, .head, .options]
        }
    }

    /// What other origins on the list may call, preflight included.
    var isAPI: Bool {
        switch self {
        case .link, .selfPair, .events, .session, .signOutEverywhere, .tokens, .qr: true
        // The policy and the owner's approval are there to hold other sites' pages in check.
        case .policy, .approvals, .health, .readiness, .metrics, .file: false
        }
    }

    /// The others answer from memory, or bring their own patience.
    var mayAskStore: Bool {
        switch self {
        case .link, .selfPair, .policy, .approvals, .events, .session, .signOutEverywhere, .tokens: true
        case .qr, .health, .readiness, .metrics, .file: false
        }
    }

    /// Health checks come from balancers that name us as they like; the answer is the same one word for everybody.
    var isForAnyHost: Bool { self == .health || self == .readiness }

    /// The metric label.
    var label: String {
        switch self {
        case .link: "link"
        case .selfPair: "link_self"
        case .policy: "link_policy"
        case .events: "link_events"
        case .approvals: "link_approvals"
        case .session: "session"
        case .signOutEverywhere: "session_everywhere"
        case .tokens: "tokens"
        case .qr: "qr"
        case .health: "healthz"
        case .readiness: "readyz"
        case .metrics: "metrics"
        case .file: "page"
        }
    }

    static let unknownLabel = "unknown"
    static let labels = [
        "link", "link_self", "link_policy", "link_events", "link_approvals", "session", "session_everywhere", "tokens", "qr", "healthz", "readyz", "metrics",
        "page", unknownLabel,
    ]
}

extension RestAPI {
    /// Host, origin, route and method in this order, then the route's own answer.
    func answer(_ request: HTTPRequest, route: Route?, verdict: OriginPolicy.Verdict) async throws(RestFailure) -> HTTPResponse {
        if let host = request.header("host"), !(route?.isForAnyHost ?? false), !origins.isHostAllowed(host) {
            throw RestFailure(.unknownHost)
        }
        if verdict == .refused { throw RestFailure(.originRefused) }
        guard let route else { throw RestFailure(.notFound) }
        guard let method = RestMethod(rawValue: request.method), route.methods.contains(method) else {
            var failure = RestFailure(.methodNotAllowed)
            failure.headers.append(("Allow", route.methods.map(\.rawValue).joined(separator: ", ")))
            throw failure
        }
        if method == .options { return CrossOrigin.preflight(route, verdict, request) }
        let call = RestCall(request: request, method: method, verdict: verdict)
        switch route {
        case .link: return try await link(call)
        case .selfPair: return try await pairSelf(call)
        case .policy: return try await policy(call)
        case .events: return try await linkEvents(call)
        case .approvals: return try await approvals(call)
        case .session: return try await session(call)
        case .signOutEverywhere: return try await signOutEverywhere(call)
        case .tokens: return try await tokens(call)
        case .qr: return try await drawQR(call)
        case .health: return .json(["status": "ok"])
        case .readiness: return await readiness()
        case .metrics: return await metrics()
        case .file(let file): return file.response(to: request, origins: origins)
        }
    }

    private func link(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        switch call.method {
        case .post: try await issueOrRekey(call)
        case .put: try await rename(call)
        case .delete: try await delete(call)
        case .get, .head, .options: try await list(call)
        }
    }

    private func tokens(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        switch call.method {
        case .post: try await makeToken(call)
        case .delete: try await removeToken(call)
        case .get, .head, .put, .options: try await listTokens(call)
        }
    }

    private func session(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        switch call.method {
        case .post: try await signIn(call)
        case .delete: try await signOut(call)
        case .get, .head, .put, .options: try await whoAmI(call)
        }
    }
}
