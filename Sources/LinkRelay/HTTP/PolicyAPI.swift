// `/api/link/policy`: what a link's install may be made to download, seen and decided by the link's owner.
//
// Any thread. Only for the relay's own page and for tokens: the pages of other origins are what the policy is about.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension RestAPI {
    func policy(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        call.method == .put ? try await setPolicy(call) : try await showPolicy(call)
    }

    /// `GET ?id=`: what the owner decided, and what holds otherwise.
    private func showPolicy(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        let (user, id) = try await owner(call)
        let store = store
        let own = try await stored { () async throws(StoreError) in try await store.policy(of: id, of: user) }
        guard let own else { throw RestFailure(.noSuchInstance) }
        return answer(own, id)
    }

    /// `PUT ?id=` `{mode?, hosts?, suffixes?, lanHosts?}`: what is left out is as if nothing had been decided about it.
    private func setPolicy(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        let (user, id) = try await owner(call)
        let own = try PolicyFields.policy(try call.body())
        let store = store
        let isSet = try await stored { () async throws(StoreError) in try await store.setPolicy(own, of: id, of: user) }
        guard isSet else { throw RestFailure(.noSuchInstance) }
        await rooms.setPolicy(own, of: RoomID(id))
        log.write(
            .notice, "policy_changed",
            ["instance": .int(id.rawValue), "user": .int(user.rawValue), "mode": .string(own.mode?.rawValue ?? "default")])
        return answer(own, id)
    }

    private func owner(_ call: RestCall) async throws(RestFailure) -> (UserID, InstanceID) {
        (try await ownPageOrToken(call), try FieldRules.id(inQuery: call.request.query))
    }

    private func answer(_ own: InstancePolicy, _ id: InstanceID) -> HTTPResponse {
        .json([
            "id": .int(id.rawValue),
            "mode": .string(own.mode?.rawValue ?? PolicyFields.defaultMode),
            "hosts": .words(own.hosts), "suffixes": .words(own.suffixes), "lanHosts": .words(own.lanHosts),
            "relay": [
                "mode": .string(policy.mode.rawValue), "hosts": .words(policy.hosts), "suffixes": .words(policy.suffixes),
                "lanHosts": .words(policy.lanHosts),
            ],
        ])
    }
}

/// The fields of a policy in a body.
enum PolicyFields {
    static let defaultMode = "default"

    static func policy(_ body: JSONValue) throws(RestFailure) -> InstancePolicy {
        InstancePolicy(
            mode: try mode(body["mode"]), hosts: try words(body["hosts"], .host),
            suffixes: try words(body["suffixes"], .suffix), lanHosts: try words(body["lanHosts"], .lanHost))
    }

    private static func mode(_ value: JSONValue?) throws(RestFailure) -> PolicyMode? {
        guard let value else { return nil }
        if case .null = value { return nil }
        if value.stringValue == defaultMode { return nil }
        guard let mode = value.stringValue.flatMap({ PolicyMode(rawValue: $0) }) else { throw RestFailure(.invalidPolicy) }
        return mode
    }

    private static func words(_ value: JSONValue?, _ word: PolicyWord) throws(RestFailure) -> [String] {
        guard let value else { return [] }
        if case .null = value { return [] }
        guard let items = value.arrayValue, items.count <= InstancePolicy.wordCount else { throw RestFailure(.invalidPolicy) }
        var words: [String] = []
        for item in items {
            guard let text = item.stringValue.map(FieldRules.trimmed), let parsed = word.parse(text) else {
                var failure = RestFailure(.invalidPolicy)
                failure.sentence = "Each entry must be one of \(word.accepted)."
                throw failure
            }
            if !words.contains(parsed) { words.append(parsed) }
        }
        return words
    }
}

extension JSONValue {
    static func words(_ words: [String]) -> JSONValue { .array(words.map { .string($0) }) }
}
