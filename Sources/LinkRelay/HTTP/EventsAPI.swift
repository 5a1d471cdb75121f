// `/api/link/events`: what happened to a link lately, told to its owner. Any thread. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension RestAPI {
    /// `GET ?id=`: `{events: [{what, at, from?, wrongTries}], wrongTriesSince}`, oldest first; empty after a restart.
    func linkEvents(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        let user = try await caller(call).user
        let id = try FieldRules.id(inQuery: call.request.query)
        let store = store
        let record = try await stored { () async throws(StoreError) in try await store.instance(id) }
        guard record?.user == user.id else { throw RestFailure(.noSuchInstance) }
        let known = keys.recentEvents(of: id)
        return .json([
            "events": .array((known?.events ?? []).map(Self.entry)), "wrongTriesSince": .int(Int64(clamping: known?.since ?? 0)),
        ])
    }

    private static func entry(_ event: LinkEvent) -> JSONValue {
        var members: [(key: String, value: JSONValue)] = []
        switch event.what {
        case .codeMade: members.append(("what", "code_made"))
        case .paired(let from): members += [("what", "paired"), ("from", .string(from))]
        }
        members += [("at", .time(event.at)), ("wrongTries", .int(Int64(clamping: event.wrongTries)))]
        return .object(members)
    }
}

extension KeyService {
    /// What happened to the link lately, and how many wrong codes were tried since; nil when nothing did.
    func recentEvents(of id: InstanceID) -> (events: [LinkEvent], since: UInt64)? {
        events.of(id, wrongTries: wrongCodes.wrongCount)
    }
}
