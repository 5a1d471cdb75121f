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

/// A path: what is known about it, and who answers.
struct Route: Sendable {
    typealias Answer = @Sendable (RestAPI, RestCall) async throws(RestFailure) -> HTTPResponse

    /// Who may ask. An API is what other origins on the list may call, preflight included; health checks come from balancers that name us as
    /// they like, and the answer is the same one word for everybody.
    enum Audience { case api, ownPage, anyHost }

    let path: String
    /// The metric label.
    let label: String
    let methods: [RestMethod]
    let audience: Audience
    /// The others answer from memory, or bring their own patience.
    let mayAskStore: Bool
    let run: Answer

    /// OPTIONS is answered everywhere, and HEAD where GET is.
    private init(
        _ path: String, _ label: String, _ methods: [RestMethod], _ audience: Audience = .ownPage, mayAskStore: Bool = false,
        run: @escaping Answer
    ) {
        self.path = path
        self.label = label
        self.methods = methods.flatMap { $0 == .get ? [.get, .head] : [$0] } + [.options]
        self.audience = audience
        self.mayAskStore = mayAskStore
        self.run = run
    }

    private static let all: [Route] = [
        Route("/api/link", "link", [.get, .post, .put, .delete], .api, mayAskStore: true) { (api, call) async throws(RestFailure) in
            switch call.method {
            case .post: try await api.issueOrRekey(call)
            case .put: try await api.rename(call)
            case .delete: try await api.delete(call)
            case .get, .head, .options: try await api.list(call)
            }
        },
        Route("/api/link/self", "link_self", [.post], .api, mayAskStore: true) { (api, call) async throws(RestFailure) in
            try await api.pairSelf(call)
        },
        // The policy and the owner's approval are there to hold other sites' pages in check.
        Route("/api/link/policy", "link_policy", [.get, .put], mayAskStore: true) { (api, call) async throws(RestFailure) in
            try await api.policy(call)
        },
        Route("/api/link/events", "link_events", [.get], .api, mayAskStore: true) { (api, call) async throws(RestFailure) in
            try await api.linkEvents(call)
        },
        Route("/api/link/approvals", "link_approvals", [.get, .post], mayAskStore: true) { (api, call) async throws(RestFailure) in
            try await api.approvals(call)
        },
        Route("/api/session", "session", [.get, .post, .delete], .api, mayAskStore: true) { (api, call) async throws(RestFailure) in
            switch call.method {
            case .post: try await api.signIn(call)
            case .delete: try await api.signOut(call)
            case .get, .head, .put, .options: try await api.whoAmI(call)
            }
        },
        Route("/api/session/everywhere", "session_everywhere", [.post], .api, mayAskStore: true) { (api, call) async throws(RestFailure) in
            try await api.signOutEverywhere(call)
        },
        Route("/api/tokens", "tokens", [.get, .post, .delete], .api, mayAskStore: true) { (api, call) async throws(RestFailure) in
            switch call.method {
            case .post: try await api.makeToken(call)
            case .delete: try await api.removeToken(call)
            case .get, .head, .put, .options: try await api.listTokens(call)
            }
        },
        Route("/api/qr", "qr", [.post], .api) { (api, call) async throws(RestFailure) in try await api.drawQR(call) },
        Route("/healthz", "healthz", [.get], .anyHost) { (api, call) in .json(["status": "ok"]) },
        Route("/readyz", "readyz", [.get], .anyHost) { (api, call) in await api.readiness() },
        Route("/metrics", "metrics", [.get]) { (api, call) in await api.metrics() },
    ]

    private static let byPath = Dictionary(uniqueKeysWithValues: all.map { ($0.path, $0) })
    private static let pageLabel = "page"

    /// Nil when nothing is there.
    static func at(_ path: String, of site: StaticSite) -> Route? {
        if let route = byPath[path] { return route }
        guard let file = site.entry(at: path) else { return nil }
        return Route(path, pageLabel, [.get]) { (api, call) in file.response(to: call.request, origins: api.origins) }
    }

    var isPage: Bool { label == Self.pageLabel }

    static let unknownLabel = "unknown"
    static let labels = all.map(\.label) + [pageLabel, unknownLabel]
}

extension RestAPI {
    /// Host, origin, route and method in this order, then the route's own answer.
    func answer(_ request: HTTPRequest, route: Route?, verdict: OriginPolicy.Verdict) async throws(RestFailure) -> HTTPResponse {
        if let host = request.header("host"), route?.audience != .anyHost, !origins.isHostAllowed(host) {
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
        return try await route.run(self, RestCall(request: request, method: method, verdict: verdict))
    }
}
