// `/api/link`: a user's instances are listed, made, re-keyed, renamed and deleted here.
//
// Any thread. Answers hold keys, for their owner alone: never cached, never logged. Another user's instance is answered as
// one that does not exist. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension RestAPI {
    /// `GET`: a bare array; deployed clients count anything else as no instances.
    func list(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        let user = try await caller(call).user
        let instances: [(record: InstanceRecord, keyText: String)]
        do { instances = try await keys.list(of: user.id) } catch { throw failure(error) }
        let snapshots = await rooms.presence(of: instances.map { RoomID($0.record.id) })
        return .json(.array(instances.map { Self.entry($0.record, key: $0.keyText, in: snapshots[RoomID($0.record.id)]) }))
    }

    private static func entry(_ record: InstanceRecord, key: String, in room: RoomSnapshot?) -> JSONValue {
        let presence = room?.presence ?? Presence()
        var members: [(key: String, value: JSONValue)] = [
            ("id", .int(record.id.rawValue)),
            ("key", .string(key)),
            ("name", .text(record.name)),
            ("activated", .bool(record.isActivated)),
            ("origin", .text(record.origin)),
            ("oauthPaired", .bool(record.isOAuthPaired)),
            ("createdAt", .time(record.createdAt)),
            ("pairedAt", record.pairedAt.map { .time($0) } ?? .null),
            ("pairedFrom", .text(record.pairedFrom)),
            ("lastSeenAt", record.lastSeenAt.map { .time($0) } ?? .null),
            ("presence", ["client": .int(Int64(presence.clientCount)), "sd": .int(Int64(presence.sdCount))]),
        ]
        if case .code(_, _, let expiresAt) = record.secret { members.append(("codeExpiresAt", .time(expiresAt))) }
        return .object(members)
    }

    /// `POST`: a new instance, or with `id` a new code for a known one. The members already in the room stay: they are
    /// waiting for the install that will use the new code.
    func issueOrRekey(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        let user = try await caller(call).user
        let body = try call.body(mayBeEmpty: true)
        let issued: (record: InstanceRecord, text: String, count: Int, limit: Int)
        if let id = try FieldRules.optionalID(body) {
            do { issued = try await keys.rekey(id, of: user.id) } catch { throw failure(error) }
            log.write(.notice, "instance_rekeyed", ["instance": .int(id.rawValue), "user": .int(user.id.rawValue)])
        } else {
            let name = try FieldRules.optionalName(body)
            do { issued = try await keys.issue(user: user.id, name: name, origin: call.originText) } catch {
                throw failure(error)
            }
            log.write(
                .notice, "instance_created", ["instance": .int(issued.record.id.rawValue), "user": .int(user.id.rawValue)])
        }
        var members: [(key: String, value: JSONValue)] = [
            ("id", .int(issued.record.id.rawValue)),
            ("key", .string(issued.text)),
            ("name", .text(issued.record.name)),
            ("instanceCount", .int(Int64(issued.count))),
            ("instanceLimit", .int(Int64(issued.limit))),
        ]
        if case .code(_, _, let expiresAt) = issued.record.secret { members.append(("expiresAt", .time(expiresAt))) }
        return .json(.object(members))
    }

    /// `PUT {id, name}`.
    func rename(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        let user = try await caller(call).user
        let body = try call.body()
        guard let id = try FieldRules.optionalID(body) else { throw RestFailure(.invalidID) }
        guard let name = try FieldRules.optionalName(body) else { throw RestFailure(.invalidName) }
        do { try await keys.rename(id, of: user.id, name: name) } catch { throw failure(error) }
        return .json(["id": .int(id.rawValue), "name": .string(name)])
    }

    /// `DELETE ?id=`: first the store forgets, durably, then everybody in the room is told.
    func delete(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        let user = try await caller(call).user
        let id = try FieldRules.id(inQuery: call.request.query)
        let deleted: InstanceRecord?
        do { deleted = try await keys.delete(id, of: user.id) } catch { throw failure(error) }
        guard let deleted else { throw RestFailure(.noSuchInstance) }
        await rooms.kick(RoomID(deleted.id), reason: .deleted)
        log.write(.notice, "instance_deleted", ["instance": .int(id.rawValue), "user": .int(user.id.rawValue)])
        return .json(["success": true])
    }
}

extension JSONValue {
    static func text(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
    static func time(_ time: WallTime) -> JSONValue { .string(Timestamp.iso8601(milliseconds: time)) }
}
