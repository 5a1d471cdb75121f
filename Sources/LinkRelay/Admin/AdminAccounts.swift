// Links, users, tokens and blocks. Any thread; everything awaits the store. Never answers with a key or a token; a new pairing code is told
// once, to whoever ordered it. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension AdminAPI {
    func listInstances(_ call: AdminCall) async throws(AdminFailure) -> AdminAnswer {
        var records: [InstanceRecord] = []
        for user in try await users(call) {
            records += try await stored { () async throws(StoreError) in try await store.instances(of: user.id) }
        }
        records.sort { $0.id < $1.id }
        let (shown, next) = Self.page(records, call) { $0.id.rawValue }
        let snapshots = await relay.presence(of: shown.map { RoomID($0.id) })
        return AdminAnswer(
            .page(shown.map { Self.entry($0, snapshots[RoomID($0.id)]?.presence ?? Presence()) }, total: records.count, next: next))
    }

    private static func entry(_ record: InstanceRecord, _ presence: Presence) -> JSONValue {
        var expiresAt: WallTime?
        if case .code(_, _, let at) = record.secret { expiresAt = at }
        return [
            "id": .int(record.id.rawValue), "user": .int(record.user.rawValue), "name": .text(record.name),
            "activated": .bool(record.isActivated), "origin": .text(record.origin), "installId": .text(record.installID),
            "oauthPaired": .bool(record.isOAuthPaired), "createdAt": .time(record.createdAt),
            "lastSeenAt": record.lastSeenAt.map { .time($0) } ?? .null, "codeExpiresAt": expiresAt.map { .time($0) } ?? .null,
            "presence": ["client": .count(presence.clientCount), "sd": .count(presence.sdCount)],
        ]
    }

    func expireInstance(_ call: AdminCall) async throws(AdminFailure) -> AdminAnswer {
        let record = try await instance(call)
        let deleted: InstanceRecord?
        do { deleted = try await keys.delete(record.id, of: record.user) } catch { throw failure(error) }
        guard deleted != nil else { throw AdminFailure(.noSuchInstance) }
        await relay.kick(RoomID(record.id), reason: .revoked)
        audit(call, "expireInstance", "instance \(record.id)")
        return Self.done
    }

    func rekeyInstance(_ call: AdminCall) async throws(AdminFailure) -> AdminAnswer {
        let record = try await instance(call)
        let issued: (record: InstanceRecord, text: String, count: Int, limit: Int)
        do { issued = try await keys.rekey(record.id, of: record.user) } catch { throw failure(error) }
        audit(call, "rekeyInstance", "instance \(record.id)")
        guard case .code(_, _, let expiresAt) = issued.record.secret else { throw AdminFailure(.unavailable) }
        return AdminAnswer(["id": .int(record.id.rawValue), "code": .string(issued.text), "expiresAt": .time(expiresAt)])
    }

    private func instance(_ call: AdminCall) async throws(AdminFailure) -> InstanceRecord {
        let found = try await stored { () async throws(StoreError) in try await store.instance(InstanceID(call.id)) }
        guard let found else { throw AdminFailure(.noSuchInstance) }
        return found
    }

    private func failure(_ error: KeyError) -> AdminFailure {
        switch error {
        case .store(let fault): unavailable(fault)
        case .notFound: AdminFailure(.noSuchInstance)
        case .limitReached, .unavailable: AdminFailure(.unavailable)
        }
    }

    // MARK: Users and tokens

    private func users(_ call: AdminCall) async throws(AdminFailure) -> [UserRecord] {
        let users = try await stored { () async throws(StoreError) in try await store.users() }
        return call.user.map { wanted in users.filter { $0.id == wanted } } ?? users
    }

    func listUsers(_ call: AdminCall) async throws(AdminFailure) -> AdminAnswer {
        let users = try await users(call)
        let (shown, next) = Self.page(users, call) { $0.id.rawValue }
        var items: [JSONValue] = []
        for user in shown {
            let instances = try await stored { () async throws(StoreError) in try await store.instances(of: user.id) }
            items.append([
                "id": .int(user.id.rawValue), "name": .string(user.name), "role": .string(user.role.rawValue),
                "createdAt": .time(user.createdAt), "instances": .count(instances.count), "blocked": .bool(shared.blocks.isBlocked(user.id)),
            ])
        }
        return AdminAnswer(.page(items, total: users.count, next: next))
    }

    private func tokens(_ call: AdminCall) async throws(AdminFailure) -> [TokenRecord] {
        var records: [TokenRecord] = []
        for user in try await users(call) {
            records += try await stored { () async throws(StoreError) in try await store.tokens(of: user.id) }
        }
        return records.sorted { $0.id < $1.id }
    }

    func listTokens(_ call: AdminCall) async throws(AdminFailure) -> AdminAnswer {
        let records = try await tokens(call)
        let (shown, next) = Self.page(records, call) { $0.id }
        return AdminAnswer(.page(shown.map { $0.json(withUser: true) }, total: records.count, next: next))
    }

    func revokeToken(_ call: AdminCall) async throws(AdminFailure) -> AdminAnswer {
        guard let record = try await tokens(call).first(where: { $0.id == call.id }),
            try await stored({ () async throws(StoreError) in try await store.removeToken(record.id, of: record.user) })
        else { throw AdminFailure(.noSuchToken) }
        audit(call, "revokeToken", "token \(record.id) (\(record.label))")
        return Self.done
    }

    private static func page<Record>(
        _ records: [Record], _ call: AdminCall, id: (Record) -> Int64
    ) -> (shown: [Record], next: Int64?) {
        let later = records.filter { id($0) > call.cursor }
        let shown = Array(later.prefix(call.limit))
        return (shown, later.count > call.limit ? shown.last.map(id) : nil)
    }

    // MARK: Blocks

    func listBlocks() -> AdminAnswer { AdminAnswer(["items": .array(shared.blocks.all.map(\.json))]) }

    /// `{network}` or `{user}`, and perhaps `{note}`.
    func addBlock(_ call: AdminCall) async throws(AdminFailure) -> AdminAnswer {
        let members = try call.members(["network", "user", "note"])
        let subject = try await subject(members)
        let note = members["note"]?.stringValue ?? ""
        guard members["note"] == nil || members["note"]?.stringValue != nil, note.unicodeScalars.count <= 200 else {
            throw AdminFailure(.badBody, "The note is text of at most 200 characters.")
        }
        guard shared.blocks.all.count < AccessBlocks.limit else { throw AdminFailure(.tooManyBlocks) }
        let now = shared.wallClock()
        let record = try await stored { () async throws(StoreError) in try await store.addBlock(subject, note: note, now: now) }
        guard let record else { throw AdminFailure(.blockExists) }
        shared.blocks.add(record)
        var ended = 0
        for shard in shared.shards { ended += await shard.run { $0.enforceBlocks() } }
        audit(call, "addBlock", record.target)
        return AdminAnswer(["block": record.json, "disconnected": .count(ended)], status: 201)
    }

    private func subject(_ members: [String: JSONValue]) async throws(AdminFailure) -> BlockSubject {
        switch (members["network"], members["user"]) {
        case (.string(let text)?, nil):
            guard text != "unix", let prefix = NetworkPrefix(parsing: text) else {
                throw AdminFailure(.badBody, "The network is an address, or a network such as 10.0.0.0/8 without bits after its prefix.")
            }
            return .network(prefix)
        case (nil, let user?):
            guard let id = user.intValue, id > 0 else { throw AdminFailure(.badBody, "The user is a number.") }
            let users = try await stored { () async throws(StoreError) in try await store.users() }
            guard users.contains(where: { $0.id.rawValue == id }) else { throw AdminFailure(.noSuchUser) }
            return .user(UserID(id))
        default: throw AdminFailure(.badBody, "Give either a network or a user.")
        }
    }

    func removeBlock(_ call: AdminCall) async throws(AdminFailure) -> AdminAnswer {
        let known = shared.blocks.all.first { $0.id == call.id }
        guard try await stored({ () async throws(StoreError) in try await store.removeBlock(call.id) }) else {
            throw AdminFailure(.noSuchBlock)
        }
        shared.blocks.remove(call.id)
        audit(call, "removeBlock", known?.target ?? "block \(call.id)")
        return Self.done
    }
}

extension BlockRecord {
    var target: String {
        switch subject {
        case .network(let prefix): "network \(prefix)"
        case .user(let user): "user \(user)"
        }
    }

    var json: JSONValue {
        var network = JSONValue.null
        var blocked = JSONValue.null
        switch subject {
        case .network(let prefix): network = .string(prefix.description)
        case .user(let user): blocked = .int(user.rawValue)
        }
        return ["id": .int(id), "network": network, "user": blocked, "note": .string(note), "createdAt": .time(createdAt)]
    }
}

extension TokenRecord {
    func json(withUser: Bool) -> JSONValue {
        var members: [(key: String, value: JSONValue)] = [
            ("id", .int(id)), ("label", .string(label)), ("scopes", .array(scopes.map(\.rawValue).sorted().map { .string($0) })),
            ("createdAt", .time(createdAt)), ("lastUsedAt", lastUsedAt.map { .time($0) } ?? .null),
        ]
        if withUser { members.append(("user", .int(user.rawValue))) }
        return .object(members)
    }
}
