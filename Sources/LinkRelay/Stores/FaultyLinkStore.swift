// A store that fails on command, so that tests see what a full disk or a broken one does to a running relay.
//
// Any thread. Only there when the hidden setting `fault-store` names a file: while that file exists, every call throws.
// Decides nothing else. SPDX-License-Identifier: Apache-2.0

import Glibc
package import LinkProtocol

package final class FaultyLinkStore: LinkStore {
    private let inner: any LinkStore
    private let path: String

    package init(_ inner: any LinkStore, whileFileExists path: String) {
        self.inner = inner
        self.path = path
    }

    package var measures: StoreMeasures? { inner.measures }

    private func check() throws(StoreError) {
        guard access(path, F_OK) == 0 else { return }
        let error = StoreError(.io, "failing on command: \(path) exists")
        measures?.note(error)
        throw error
    }

    package func probe() async throws(StoreError) {
        try check()
        try await inner.probe()
    }

    package func close() async {
        await inner.close()
    }

    package func bindVault(_ mark: SecretHash) async throws(StoreError) -> Bool {
        try check()
        return try await inner.bindVault(mark)
    }

    package func changeMark() async throws(StoreError) -> Int64 {
        try check()
        return try await inner.changeMark()
    }

    package func users() async throws(StoreError) -> [UserRecord] {
        try check()
        return try await inner.users()
    }

    package func addUser(name: String, role: UserRole, now: WallTime) async throws(StoreError) -> UserRecord? {
        try check()
        return try await inner.addUser(name: name, role: role, now: now)
    }

    package func removeUser(_ id: UserID, now: WallTime) async throws(StoreError) -> [InstanceRecord] {
        try check()
        return try await inner.removeUser(id, now: now)
    }

    package func addToken(
        user: UserID, hash: SecretHash, label: String, scopes: Set<TokenScope>, now: WallTime
    ) async throws(StoreError) -> TokenRecord {
        try check()
        return try await inner.addToken(user: user, hash: hash, label: label, scopes: scopes, now: now)
    }

    package func tokens(of user: UserID) async throws(StoreError) -> [TokenRecord] {
        try check()
        return try await inner.tokens(of: user)
    }

    package func removeToken(_ id: Int64, of user: UserID) async throws(StoreError) -> Bool {
        try check()
        return try await inner.removeToken(id, of: user)
    }

    package func tokenOwner(_ hash: SecretHash) async throws(StoreError) -> (UserRecord, TokenRecord)? {
        try check()
        return try await inner.tokenOwner(hash)
    }

    package func touchToken(_ id: Int64, at: WallTime) async throws(StoreError) {
        try check()
        try await inner.touchToken(id, at: at)
    }

    package func addTicket(_ hash: SecretHash, user: UserID, expiresAt: WallTime) async throws(StoreError) {
        try check()
        try await inner.addTicket(hash, user: user, expiresAt: expiresAt)
    }

    package func redeemTicket(_ hash: SecretHash, now: WallTime) async throws(StoreError) -> UserRecord? {
        try check()
        return try await inner.redeemTicket(hash, now: now)
    }

    package func addWebSession(
        _ hash: SecretHash, user: UserID, token: Int64?, expiresAt: WallTime
    ) async throws(StoreError) {
        try check()
        try await inner.addWebSession(hash, user: user, token: token, expiresAt: expiresAt)
    }

    package func webSessionOwner(
        _ hash: SecretHash, now: WallTime
    ) async throws(StoreError) -> (UserRecord, Set<TokenScope>)? {
        try check()
        return try await inner.webSessionOwner(hash, now: now)
    }

    package func removeWebSession(_ hash: SecretHash) async throws(StoreError) {
        try check()
        try await inner.removeWebSession(hash)
    }

    package func removeWebSessions(of user: UserID) async throws(StoreError) {
        try check()
        try await inner.removeWebSessions(of: user)
    }

    package func blocks() async throws(StoreError) -> [BlockRecord] {
        try check()
        return try await inner.blocks()
    }

    package func addBlock(_ subject: BlockSubject, note: String, now: WallTime) async throws(StoreError) -> BlockRecord? {
        try check()
        return try await inner.addBlock(subject, note: note, now: now)
    }

    package func removeBlock(_ id: Int64) async throws(StoreError) -> Bool {
        try check()
        return try await inner.removeBlock(id)
    }

    package func instances(of user: UserID) async throws(StoreError) -> [InstanceRecord] {
        try check()
        return try await inner.instances(of: user)
    }

    package func instance(_ id: InstanceID) async throws(StoreError) -> InstanceRecord? {
        try check()
        return try await inner.instance(id)
    }

    package func activatedInstances() async throws(StoreError) -> [InstanceRecord] {
        try check()
        return try await inner.activatedInstances()
    }

    package func createInstance(
        user: UserID, name: String?, origin: String?, code: InstanceSecret, limit: Int, now: WallTime
    ) async throws(StoreError) -> CreateResult {
        try check()
        return try await inner.createInstance(user: user, name: name, origin: origin, code: code, limit: limit, now: now)
    }

    package func renameInstance(_ id: InstanceID, of user: UserID, name: String) async throws(StoreError) -> Bool {
        try check()
        return try await inner.renameInstance(id, of: user, name: name)
    }

    package func deleteInstance(_ id: InstanceID, of user: UserID, now: WallTime) async throws(StoreError) -> InstanceRecord? {
        try check()
        return try await inner.deleteInstance(id, of: user, now: now)
    }

    package func rekeyInstance(
        _ id: InstanceID, of user: UserID, code: InstanceSecret, now: WallTime
    ) async throws(StoreError) -> RekeyResult {
        try check()
        return try await inner.rekeyInstance(id, of: user, code: code, now: now)
    }

    package func lookup(_ hash: SecretHash) async throws(StoreError) -> SecretLookup {
        try check()
        return try await inner.lookup(hash)
    }

    package func exchange(
        code: SecretHash, by exchangedBy: SecretHash, from: String, newKey: InstanceSecret, repeatableUntil: WallTime,
        now: WallTime
    ) async throws(StoreError) -> ExchangeResult {
        try check()
        return try await inner.exchange(
            code: code, by: exchangedBy, from: from, newKey: newKey, repeatableUntil: repeatableUntil, now: now)
    }

    package func pairSelf(
        user: UserID, installID: String, name: String?, legacy: [SecretHash], from: String, newKey: InstanceSecret, limit: Int,
        now: WallTime
    ) async throws(StoreError) -> SelfPairResult {
        try check()
        return try await inner.pairSelf(
            user: user, installID: installID, name: name, legacy: legacy, from: from, newKey: newKey, limit: limit, now: now)
    }

    package func policies() async throws(StoreError) -> [InstanceID: InstancePolicy] {
        try check()
        return try await inner.policies()
    }

    package func policy(of id: InstanceID, of user: UserID) async throws(StoreError) -> InstancePolicy? {
        try check()
        return try await inner.policy(of: id, of: user)
    }

    package func setPolicy(
        _ policy: InstancePolicy, of id: InstanceID, of user: UserID
    ) async throws(StoreError) -> Bool {
        try check()
        return try await inner.setPolicy(policy, of: id, of: user)
    }

    package func touch(_ seen: [InstanceID: WallTime]) async throws(StoreError) {
        try check()
        try await inner.touch(seen)
    }

    package func shelveRoom(_ id: InstanceID, _ sealed: [UInt8], at: WallTime) async throws(StoreError) {
        try check()
        try await inner.shelveRoom(id, sealed, at: at)
    }

    package func shelvedRooms() async throws(StoreError) -> Set<InstanceID> {
        try check()
        return try await inner.shelvedRooms()
    }

    package func shelvedRoom(_ id: InstanceID, notBefore: WallTime) async throws(StoreError) -> [UInt8]? {
        try check()
        return try await inner.shelvedRoom(id, notBefore: notBefore)
    }

    package func unshelveRoom(_ id: InstanceID, notBefore: WallTime) async throws(StoreError) -> [UInt8]? {
        try check()
        return try await inner.unshelveRoom(id, notBefore: notBefore)
    }

    package func expire(now: WallTime, keysIdleSince: WallTime?) async throws(StoreError) -> [InstanceRecord] {
        try check()
        return try await inner.expire(now: now, keysIdleSince: keysIdleSince)
    }
}
