// `POST /api/link/self`: an install with a token pairs itself and gets its link key at once.
//
// Any thread. Must never send `kicked` or `upgradeKey` to the install's own old connection: its handlers would overwrite or
// delete the very key file that this call is about to write. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension RestAPI {
    /// Never by cookie: `{installId, name?, legacyKey?}` becomes `{id, key, name}`.
    func pairSelf(_ call: RestCall) async throws(RestFailure) -> HTTPResponse {
        let user: UserRecord
        if let token = call.bearerToken {
            (user, _) = try await bearer(token)
        } else if let proxied = try await proxied(call) {
            user = proxied
        } else {
            throw RestFailure(.signInRequired)
        }
        let body = try call.body()
        let installID = try FieldRules.installID(body)
        let name = try FieldRules.optionalName(body)
        let legacyKey = try FieldRules.legacyKey(body)
        let paired: (record: InstanceRecord, key: LinkKey, wasKnown: Bool)
        do {
            paired = try await keys.pairSelf(
                user: user.id, installID: installID, name: name, legacyKey: legacyKey, from: call.request.remote.description)
        } catch { throw failure(error) }
        // Browsers that wait in the room hold the former key; whoever pairs for the first time has no room yet.
        if paired.wasKnown { await rooms.announceUpgrade(RoomID(paired.record.id), key: paired.key) }
        rooms.notePairing(RoomID(paired.record.id), from: call.request.remote)
        log.write(
            .notice, "instance_self_paired",
            [
                "instance": .int(paired.record.id.rawValue), "user": .int(user.id.rawValue), "known": .bool(paired.wasKnown),
            ])
        return .json([
            "id": .int(paired.record.id.rawValue), "key": .string(paired.key.hex), "name": .text(paired.record.name),
        ])
    }
}
