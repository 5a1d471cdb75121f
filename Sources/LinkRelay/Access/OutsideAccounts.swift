// Users whom somebody else has signed in: a reverse proxy by a header, an identity provider by a token.
//
// Any thread. Decides who a caller is, never what it may do beyond linking: whoever comes from outside is an ordinary user, and a name
// that belongs to an owner or admin here is not theirs. SPDX-License-Identifier: Apache-2.0

package final class OutsideAccounts: Sendable {
    /// Lower case; nil when no proxy signs anybody in.
    let userHeader: String?
    let trust: TokenTrust?
    let introspector: Introspector?

    package init(userHeader: String? = nil, trust: TokenTrust? = nil, introspector: Introspector? = nil) {
        self.userHeader = userHeader
        self.trust = trust
        self.introspector = introspector
    }

    /// Tokens of our own begin with it; others are the providers'.
    static let ownPrefix = "lr_"

    /// Who a bearer token of somebody else's names; nil for one that nobody here vouches for. A signed token needs no question; the
    /// provider is asked about what is not signed, or not for us.
    func identity(bearer token: String, now: WallTime) async throws(Introspector.Unavailable) -> OutsideIdentity? {
        guard !token.hasPrefix(Self.ownPrefix), Self.isToken(token) else { return nil }
        if let trust, JSONWebToken.isOne(token), let identity = JSONWebToken.verify(token, trust, now: now / 1000) { return identity }
        return try await introspector?.identity(of: token)
    }

    /// RFC 6750 section 2.1: what can be a token at all. Nothing else is passed on to a provider.
    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2B, 0x2D, 0x2E, 0x2F, 0x3D, 0x5F, 0x7E: true
                default: false
                }
            }
    }

    enum HeaderAnswer: Sendable, Hashable {
        /// Nobody is named, or not by a trusted proxy.
        case absent
        case named(String)
        /// Named in a way that is no name.
        case unusable
    }

    func user(namedBy request: HTTPRequest) -> HeaderAnswer {
        guard let userHeader, request.isFromTrustedProxy else { return .absent }
        let values = request.headers.filter { $0.name == userHeader }.map(\.value)
        guard let value = values.first, values.count > 1 || !value.isEmpty else { return .absent }
        return values.count == 1 && Accounts.isName(value) ? .named(value) : .unusable
    }
}

extension Accounts {
    /// The ordinary user of that name, made on first sight; nil when the name is none, or an owner's or admin's.
    func outsider(named name: String) async throws(StoreError) -> UserRecord? {
        guard Self.isName(name) else { return nil }
        for _ in 0..<2 {
            if let known = try await user(named: name) { return known.role == .user ? known : nil }
            if let made = try await add(name: name, role: .user) { return made }
            // Another request was faster; it is in the list now.
        }
        return nil
    }
}
