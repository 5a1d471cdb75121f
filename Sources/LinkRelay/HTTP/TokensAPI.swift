// `/api/tokens`: whoever is signed in on the page sees the labels of their access tokens, makes one, revokes one.
//
// Any thread. For whoever is signed in on the page, by its cookie or by a trusted proxy, and with the link scope alone: the page can be signed in with such a token, which must not be
// a way to one that may do more. The token itself is told once, to its maker. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension RestAPI {
    /// Of one user.
    private static var tokenLimit: Int { 50 }

    /// `GET`: `[{id, label, scopes, createdAt, lastUsedAt}]`.
    func listTokens(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        let user = try await pageCaller(call)
        let records = try await stored { () async throws(StoreError) in try await self.accounts.tokens(of: user.id) }
        return .json(.array(records.map { $0.json(withUser: false) }))
    }

    /// `POST {label}`: one of these with `token`, the secret.
    func makeToken(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        let user = try await pageCaller(call)
        let body = try call.body()
        guard case .string(let text)? = body["label"], let label = try FieldRules.optionalName(["name": .string(text)]),
            label.utf8.count <= Accounts.nameBytes
        else { throw RestFailure(.invalidLabel) }
        let count = try await stored { () async throws(StoreError) in try await self.accounts.tokens(of: user.id).count }
        guard count < Self.tokenLimit else { throw RestFailure(.tokenLimit) }
        let made = try await stored { () async throws(StoreError) in
            try await self.accounts.makeToken(user: user.id, label: label, scopes: [.link])
        }
        log.write(.notice, "token_made", ["token": .int(made.record.id), "user": .int(user.id.rawValue)])
        guard case .object(let members) = made.record.json(withUser: false) else { throw RestFailure(.storeUnavailable) }
        return .json(.object(members + [("token", .string(made.token))]))
    }

    /// `DELETE ?id=`.
    func removeToken(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        let user = try await pageCaller(call)
        let id = try FieldRules.id(inQuery: call.request.query).rawValue
        let isRemoved = try await stored { () async throws(StoreError) in try await self.accounts.removeToken(id, of: user.id) }
        guard isRemoved else { throw RestFailure(.noSuchToken) }
        log.write(.notice, "token_revoked", ["token": .int(id), "user": .int(user.id.rawValue)])
        return .json(["success": true])
    }

    private func pageCaller(_ call: RestCall) async throws(RestFailure) -> UserRecord {
        switch try await caller(call) {
        case .cookie(let user, _), .proxy(let user): return user
        case .bearer: throw RestFailure(.pageOnly)
        }
    }
}
