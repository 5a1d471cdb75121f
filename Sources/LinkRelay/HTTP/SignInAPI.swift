// `/api/session`: the page's sign-in by a ticket from its address' fragment or by a token, and the ways out.
//
// Any thread. The session's secret leaves in `Set-Cookie` alone, never in a body. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension RestAPI {
    /// `POST {ticket}` or `POST {token}`: a ticket works once; a token needs the link scope.
    func signIn(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        let body = try call.body()
        let opened: (cookie: String, user: UserRecord, scopes: Set<TokenScope>)
        switch (Self.secret(body["ticket"]), Self.secret(body["token"])) {
        case (let ticket?, nil):
            let redeemed = try await stored { () async throws(StoreError) in
                try await self.accounts.redeem(ticket: ticket)
            }
            guard let redeemed else { throw RestFailure(.badTicket) }
            opened = (redeemed.cookie, redeemed.1, Set(TokenScope.allCases))
        case (nil, let token?):
            // The session is the token in another form: it permits no more, and ends with it.
            let caller = try await stored { () async throws(StoreError) in try await self.accounts.bearer(token) }
            guard let (user, record) = caller else { throw RestFailure(.badToken) }
            guard record.scopes.contains(.link) else { throw RestFailure(.missingScope) }
            let cookie = try await stored { () async throws(StoreError) in
                try await self.accounts.newWebSession(user: user.id, token: record.id)
            }
            opened = (cookie, user, record.scopes)
        default: throw RestFailure(.invalidCredential)
        }
        log.write(
            .notice, "signed_in", ["user": .int(opened.user.id.rawValue), "peer": .string(call.request.remote.description)])
        var response = HTTPResponse.json(identity(opened.user, opened.scopes))
        response.headers.append(SessionCookie.set(opened.cookie, isSecure: call.request.isSecure))
        return response
    }

    /// `GET`: who the caller is, or 401.
    func whoAmI(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        let caller = try await caller(call)
        return .json(identity(caller.user, caller.scopes))
    }

    /// `DELETE`: this browser is signed out, whether or not it was signed in.
    func signOut(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        if let cookie = SessionCookie.value(in: call.request) {
            guard call.isFromTrustedPage else { throw RestFailure(.crossSite) }
            try await stored { () async throws(StoreError) in try await self.accounts.signOut(cookie) }
        }
        return Self.signedOut(call)
    }

    /// `POST /api/session/everywhere`: every browser of the caller is signed out; tokens stay.
    func signOutEverywhere(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        let user = try await caller(call).user
        try await stored { () async throws(StoreError) in try await self.accounts.signOutEverywhere(user.id) }
        log.write(.notice, "signed_out_everywhere", ["user": .int(user.id.rawValue)])
        return Self.signedOut(call)
    }

    private static func signedOut(_ call: RestCall) -> HTTPResponse {
        var response = HTTPResponse.json(["success": true])
        response.headers.append(SessionCookie.clear(isSecure: call.request.isSecure))
        return response
    }

    private func identity(_ user: UserRecord, _ scopes: Set<TokenScope>) -> JSONValue {
        // What a plain user's session cannot do is not listed, whatever it was opened with.
        let usable = user.role == .user ? scopes.subtracting([.admin]) : scopes
        return [
            "user": ["name": .string(user.name), "role": .string(user.role.rawValue)],
            "scopes": .array(usable.map(\.rawValue).sorted().map { .string($0) }),
            // Whether there may be something to ask /api/link/approvals for.
            "approvesExtensions": .bool(keys.asksOwners),
        ]
    }

    private static func secret(_ value: JSONValue?) -> String? {
        guard let text = value?.stringValue, (1...512).contains(text.utf8.count) else { return nil }
        return text
    }
}
