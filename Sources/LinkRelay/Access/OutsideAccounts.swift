// Users whom somebody else has signed in: a reverse proxy by a header, an identity provider by a token.
//
// Any thread. Decides who a caller is, never what it may do beyond linking: whoever comes from outside is an ordinary user, and a name
// that belongs to an owner or admin here is not theirs. SPDX-License-Identifier: Apache-2.0

package final class OutsideAccounts: Sendable {
    /// Lower case; nil when no proxy signs anybody in.
    let userHeader: String?
    let trust: TokenTrust?

    package init(userHeader: String? = nil, trust: TokenTrust? = nil) {
        self.userHeader = userHeader
        self.trust = trust
    }

    /// Tokens of our own begin with it; others are the providers'.
    static let ownPrefix = "lr_"

    /// Who a bearer token of somebody else's names; nil for one that nobody here vouches for.
    func identity(bearer token: String, now: WallTime) -> OutsideIdentity? {
        guard !token.hasPrefix(Self.ownPrefix), let trust, JSONWebToken.isOne(token) else { return nil }
        return JSONWebToken.verify(token, trust, now: now / 1000)
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
