// One request in the terms of the routes: who calls, whether a browser may be trusted with a change, what the body says.
//
// Values, any thread. A bearer token wins over a cookie and never falls back to it. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

struct RestCall: Sendable {
    let request: HTTPRequest
    let method: RestMethod
    let verdict: OriginPolicy.Verdict

    /// The origin worth remembering with an instance; nil for what is not a browser.
    var originText: String? {
        switch verdict {
        case .allowed(let text): text
        case .sameOrigin: request.header("origin")
        case .none, .refused: nil
        }
    }

    /// A browser on this server's page or an allowed one made this request on purpose (Fetch standard, `Sec-Fetch-Site`).
    ///
    /// Neither header can be set by a page; a browser too old for either is refused.
    var isFromTrustedPage: Bool {
        switch verdict {
        case .sameOrigin, .allowed: true
        case .none: request.header("sec-fetch-site") == "same-origin"
        case .refused: false
        }
    }

    /// For callers whom a proxy has signed in: a program, or a page that may be trusted with a change. Browsers name the origin of every
    /// change, so what names none and says nothing of sites is no page.
    var isProgramOrTrustedPage: Bool {
        if case .none = verdict, request.header("sec-fetch-site") == nil { return true }
        return isFromTrustedPage
    }

    /// The token of `Authorization: Bearer` (RFC 6750 section 2.1); nil for no such header or another scheme, such as the
    /// Basic of a proxy in front.
    var bearerToken: String? {
        let values = request.headers.filter { $0.name == "authorization" }
        guard let value = values.first?.value.utf8 else { return nil }
        let parts = value.split(separator: 0x20, maxSplits: 1)
        guard let scheme = parts.first, Self.isBearer(scheme) else { return nil }
        // Two headers or a missing token are a bad token, not the absence of one.
        guard values.count == 1, parts.count == 2, parts[1].count <= JSONWebToken.byteCount else { return "" }
        return String(decoding: parts[1], as: UTF8.self)
    }

    private static func isBearer(_ scheme: Substring.UTF8View) -> Bool {
        scheme.count == 6 && zip(scheme, "bearer".utf8).allSatisfy { $0 | 0x20 == $1 }
    }

    /// The JSON object in the body.
    ///
    /// `mayBeEmpty`: no body at all stands for an empty object, whatever its type is called; older sites send neither.
    func body(mayBeEmpty: Bool = false) throws(RestFailure) -> JSONValue {
        if request.body.isEmpty && mayBeEmpty { return .object([]) }
        guard isJSON else { throw RestFailure(.unsupportedMediaType) }
        let value: JSONValue
        do {
            value = try JSONValue(parsing: request.body)
        } catch {
            var failure = RestFailure(.badJSON)
            failure.sentence = error.sentence
            throw failure
        }
        guard case .object = value else { throw RestFailure(.badJSON) }
        return value
    }

    /// Exactly one `Content-Type`, and its essence is `application/json`: anything else a page could send unasked.
    private var isJSON: Bool {
        let types = request.headers.filter { $0.name == "content-type" }
        guard types.count == 1, let type = types.first?.value else { return false }
        var essence = type.utf8.prefix { $0 != 0x3B }
        while essence.last == 0x20 || essence.last == 0x09 { essence.removeLast() }
        return essence.elementsEqual("application/json".utf8) { ($0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0) == $1 }
    }
}

/// Who is calling.
enum RestCaller: Sendable {
    case bearer(UserRecord, Set<TokenScope>)
    case cookie(UserRecord, Set<TokenScope>)
    /// Signed in by a trusted proxy.
    case proxy(UserRecord)

    var user: UserRecord {
        switch self {
        case .bearer(let user, _), .cookie(let user, _), .proxy(let user): user
        }
    }

    /// What it may do at most, whatever its user's role.
    var scopes: Set<TokenScope> {
        switch self {
        case .bearer(_, let scopes), .cookie(_, let scopes): scopes
        case .proxy: [.link]
        }
    }
}

extension RestAPI {
    /// The caller, by token, or else by what a trusted proxy says, or else by cookie; a browser's change must come from a trusted page.
    func caller(_ call: RestCall) async throws(RestFailure) -> RestCaller {
        if let token = call.bearerToken {
            let (user, scopes) = try await bearer(token)
            return .bearer(user, scopes)
        }
        if let user = try await proxied(call) { return .proxy(user) }
        guard let cookie = SessionCookie.value(in: call.request) else { throw RestFailure(.signInRequired) }
        if !call.method.isSafe && !call.isFromTrustedPage { throw RestFailure(.crossSite) }
        let session = try await stored { () async throws(StoreError) in try await self.accounts.webSession(cookie) }
        guard let (user, scopes) = session else { throw RestFailure(.signInRequired) }
        guard scopes.contains(.link) else { throw RestFailure(.missingScope) }
        return .cookie(user, scopes)
    }

    /// The caller of what a page of another origin may not do, whatever it is allowed otherwise.
    func ownPageOrToken(_ call: RestCall) async throws(RestFailure) -> UserID {
        let caller = try await caller(call)
        if case .bearer = caller {} else if case .allowed = call.verdict { throw RestFailure(.crossSite) }
        return caller.user.id
    }

    /// The user whom a trusted proxy has signed in; nil when it names nobody.
    func proxied(_ call: RestCall) async throws(RestFailure) -> UserRecord? {
        switch outside.user(namedBy: call.request) {
        case .absent: return nil
        case .unusable: throw RestFailure(.unusableUser)
        case .named(let name):
            if !call.method.isSafe && !call.isProgramOrTrustedPage { throw RestFailure(.crossSite) }
            return try await outsider(named: name)
        }
    }

    private func outsider(named name: String) async throws(RestFailure) -> UserRecord {
        let user = try await stored { () async throws(StoreError) in try await self.accounts.outsider(named: name) }
        guard let user else { throw RestFailure(.unusableUser) }
        return user
    }

    /// The owner of a token that has the link scope, ours or an identity provider's.
    func bearer(_ token: String) async throws(RestFailure) -> (UserRecord, Set<TokenScope>) {
        let identity: OutsideIdentity?
        do { identity = try await outside.identity(bearer: token, now: accounts.now()) } catch {
            throw RestFailure(.providerUnavailable)
        }
        if let identity {
            guard identity.scopes.contains(.link) else { throw RestFailure(.missingScope) }
            return (try await outsider(named: identity.name), [.link])
        }
        guard !token.isEmpty,
            let (user, scopes) = try await stored({ () async throws(StoreError) in
                try await self.accounts.authenticateBearer(token)
            })
        else { throw RestFailure(.badToken) }
        guard scopes.contains(.link) else { throw RestFailure(.missingScope) }
        return (user, scopes)
    }

    /// Runs a question to the store; its faults become 503.
    func stored<Answer: Sendable>(_ ask: () async throws(StoreError) -> Answer) async throws(RestFailure) -> Answer {
        do { return try await ask() } catch { throw unavailable(error) }
    }
}
