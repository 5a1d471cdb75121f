// The contract behind which everything durable lives: users, tokens, instances, keys, codes, tombstones.
//
// Any thread may call; implementations run on a thread of their own. An answer means that its effect is on disk.
// No secret crosses this boundary: keys, codes, tokens and tickets arrive as keyed hashes, a key's text only sealed.
// SPDX-License-Identifier: Apache-2.0

package import LinkProtocol

/// Wall-clock milliseconds since 1970. For what outlives the process: when a code, ticket or session ends, and for display. Time-outs within it
/// run on the monotonic clock.
package typealias WallTime = Int64

/// A keyed hash (HMAC-SHA-256) of a key, code, token or ticket: 32 bytes.
package struct SecretHash: Hashable, Sendable, CustomStringConvertible {
    package let bytes: [UInt8]
    package init(bytes: [UInt8]) { self.bytes = bytes }
    package var description: String { "SecretHash(redacted)" }
}

/// A key sealed with AES-256-GCM: nonce, ciphertext, tag.
package struct SealedKey: Hashable, Sendable, CustomStringConvertible {
    package let bytes: [UInt8]
    package init(bytes: [UInt8]) { self.bytes = bytes }
    package var description: String { "SealedKey(\(bytes.count) bytes)" }
}

package struct UserID: Hashable, Sendable, CustomStringConvertible {
    package let rawValue: Int64
    package init(_ rawValue: Int64) { self.rawValue = rawValue }
    package var description: String { String(rawValue) }
}

package enum UserRole: String, Sendable, CaseIterable { case owner, admin, user }

package struct UserRecord: Sendable, Hashable {
    package var id: UserID
    package var name: String
    package var role: UserRole
    package var createdAt: WallTime
    package init(id: UserID, name: String, role: UserRole, createdAt: WallTime) {
        self.id = id; self.name = name; self.role = role; self.createdAt = createdAt
    }
}

package enum TokenScope: String, Sendable, CaseIterable { case link, admin }

package struct TokenRecord: Sendable, Hashable {
    package var id: Int64
    package var user: UserID
    package var label: String
    package var scopes: Set<TokenScope>
    package var createdAt: WallTime
    package var lastUsedAt: WallTime?
    package init(id: Int64, user: UserID, label: String, scopes: Set<TokenScope>, createdAt: WallTime, lastUsedAt: WallTime?) {
        self.id = id; self.user = user; self.label = label; self.scopes = scopes
        self.createdAt = createdAt; self.lastUsedAt = lastUsedAt
    }
}

/// Which of its two secrets an instance is waiting behind.
package enum InstanceSecret: Sendable, Hashable {
    /// Not activated: a code that expires at the given time.
    case code(hash: SecretHash, sealed: SealedKey, expiresAt: WallTime)
    /// Activated: the link key.
    case key(hash: SecretHash, sealed: SealedKey)

    package var hash: SecretHash {
        switch self {
        case .code(let hash, _, _), .key(let hash, _): hash
        }
    }
}

package struct InstanceRecord: Sendable, Hashable {
    package var id: InstanceID
    package var user: UserID
    package var name: String?
    package var secret: InstanceSecret
    package var origin: String?
    package var installID: String?
    package var isOAuthPaired: Bool
    package var createdAt: WallTime
    package var lastSeenAt: WallTime?
    /// When its install got the present link key, and from where (blurred); nil while it waits behind a code.
    package var pairedAt: WallTime?
    package var pairedFrom: String?
    package init(
        id: InstanceID, user: UserID, name: String?, secret: InstanceSecret, origin: String?, installID: String?,
        isOAuthPaired: Bool, createdAt: WallTime, lastSeenAt: WallTime?, pairedAt: WallTime? = nil, pairedFrom: String? = nil
    ) {
        self.pairedAt = pairedAt; self.pairedFrom = pairedFrom
        self.id = id; self.user = user; self.name = name; self.secret = secret; self.origin = origin
        self.installID = installID; self.isOAuthPaired = isOAuthPaired; self.createdAt = createdAt; self.lastSeenAt = lastSeenAt
    }
    package var isActivated: Bool { if case .key = secret { true } else { false } }
}

/// What a hash presented in `join` is known as.
package enum SecretLookup: Sendable, Hashable {
    case live(InstanceRecord)
    /// A code that was exchanged: its instance as it is now, who exchanged it, and until when the same extension may repeat it.
    case spent(InstanceRecord, exchangedBy: SecretHash, repeatableUntil: WallTime)
    /// A link key known to have been deleted or expired.
    case tombstone
    case unknown
}

package enum ExchangeResult: Sendable, Hashable {
    case exchanged(InstanceRecord)
    /// Somebody exchanged it earlier; look it up again.
    case alreadySpent
    case expired
    case unknown
}

package enum SelfPairResult: Sendable, Hashable {
    /// `wasKnown`: the instance existed and its former key is dead now.
    case paired(InstanceRecord, wasKnown: Bool)
    case limitReached(count: Int)
}

package enum CreateResult: Sendable, Hashable {
    case created(InstanceRecord, count: Int)
    case limitReached(count: Int)
    /// Another instance waits behind that code, or used it lately: draw another.
    case codeTaken
}

package enum RekeyResult: Sendable, Hashable {
    case rekeyed(InstanceRecord, count: Int)
    /// The user has no such instance.
    case notFound
    case codeTaken
}

/// Whom the operator keeps out.
package enum BlockSubject: Hashable, Sendable {
    case network(NetworkPrefix)
    case user(UserID)
}

package struct BlockRecord: Hashable, Sendable {
    package var id: Int64
    package var subject: BlockSubject
    /// Why, in the operator's words.
    package var note: String
    package var createdAt: WallTime
    package init(id: Int64, subject: BlockSubject, note: String, createdAt: WallTime) {
        self.id = id; self.subject = subject; self.note = note; self.createdAt = createdAt
    }
}

/// A failure of the store itself, never a statement about a key: whoever gets one retries or asks the peer to come back.
package struct StoreError: Error, Sendable, CustomStringConvertible {
    package enum Kind: String, Sendable, CaseIterable { case full, readOnly, corrupt, busy, io, closed }
    package var kind: Kind
    /// For the operator's log; free of secrets.
    package var detail: String
    package init(_ kind: Kind, _ detail: String) { self.kind = kind; self.detail = detail }
    package var description: String { "\(kind.rawValue): \(detail)" }
}

package protocol LinkStore: Sendable {
    /// What it measures of itself; nil for a store that does not.
    var measures: StoreMeasures? { get }
    /// Proves that the store can write durably (readiness).
    func probe() async throws(StoreError)
    func close() async
    /// Ties the store to the vault whose hashes and seals it holds: the first mark is kept for ever. False when it holds another.
    func bindVault(_ mark: SecretHash) async throws(StoreError) -> Bool
    /// A number that changes when another process has written to the store (not when this one has).
    func changeMark() async throws(StoreError) -> Int64

    // Users, tokens, the page's sign-in.
    func users() async throws(StoreError) -> [UserRecord]
    /// Nil when the name is taken.
    func addUser(name: String, role: UserRole, now: WallTime) async throws(StoreError) -> UserRecord?
    /// Removes the user with tokens, web sessions and instances (their link keys leave tombstones); returns the instances.
    func removeUser(_ id: UserID, now: WallTime) async throws(StoreError) -> [InstanceRecord]
    func addToken(user: UserID, hash: SecretHash, label: String, scopes: Set<TokenScope>, now: WallTime) async throws(StoreError)
        -> TokenRecord
    func tokens(of user: UserID) async throws(StoreError) -> [TokenRecord]
    func removeToken(_ id: Int64, of user: UserID) async throws(StoreError) -> Bool
    func tokenOwner(_ hash: SecretHash) async throws(StoreError) -> (UserRecord, TokenRecord)?
    func touchToken(_ id: Int64, at: WallTime) async throws(StoreError)
    /// A sign-in ticket that works once.
    func addTicket(_ hash: SecretHash, user: UserID, expiresAt: WallTime) async throws(StoreError)
    /// Spends the ticket; nil when unknown, spent or expired.
    func redeemTicket(_ hash: SecretHash, now: WallTime) async throws(StoreError) -> UserRecord?
    /// `token`: the token it was opened with; the session has its scopes and ends with it. Nil: opened by a ticket.
    func addWebSession(_ hash: SecretHash, user: UserID, token: Int64?, expiresAt: WallTime) async throws(StoreError)
    /// Whose session it is and what it permits.
    func webSessionOwner(_ hash: SecretHash, now: WallTime) async throws(StoreError) -> (UserRecord, Set<TokenScope>)?
    func removeWebSession(_ hash: SecretHash) async throws(StoreError)
    func removeWebSessions(of user: UserID) async throws(StoreError)

    // Whom the operator keeps out.
    func blocks() async throws(StoreError) -> [BlockRecord]
    /// Nil when that subject is blocked already.
    func addBlock(_ subject: BlockSubject, note: String, now: WallTime) async throws(StoreError) -> BlockRecord?
    func removeBlock(_ id: Int64) async throws(StoreError) -> Bool

    // Instances.
    func instances(of user: UserID) async throws(StoreError) -> [InstanceRecord]
    func instance(_ id: InstanceID) async throws(StoreError) -> InstanceRecord?
    /// Every activated instance, for the start-up directory.
    func activatedInstances() async throws(StoreError) -> [InstanceRecord]
    /// `limit` 0 = none. Counted and created in one transaction. Of the user's open codes the newest
    /// `StoreRules.openCodeCount` stay usable.
    func createInstance(
        user: UserID, name: String?, origin: String?, code: InstanceSecret, limit: Int, now: WallTime
    ) async throws(StoreError) -> CreateResult
    func renameInstance(_ id: InstanceID, of user: UserID, name: String) async throws(StoreError) -> Bool
    /// Deletes; a link key leaves a tombstone. Nil when the user has no such instance.
    func deleteInstance(_ id: InstanceID, of user: UserID, now: WallTime) async throws(StoreError) -> InstanceRecord?
    /// Same id, new code, under the same rule for open codes; the former code or link key opens nothing from now on. A link
    /// key leaves NO tombstone (its holder is re-keyed, not deleted).
    func rekeyInstance(_ id: InstanceID, of user: UserID, code: InstanceSecret, now: WallTime) async throws(StoreError) -> RekeyResult
    func lookup(_ hash: SecretHash) async throws(StoreError) -> SecretLookup
    /// In one durable transaction: the code is spent (remembered until `repeatableUntil` for `exchangedBy`), the key lives.
    /// `from` is where the extension joined from, blurred.
    func exchange(
        code: SecretHash, by exchangedBy: SecretHash, from: String, newKey: InstanceSecret, repeatableUntil: WallTime,
        now: WallTime
    ) async throws(StoreError) -> ExchangeResult
    /// `POST /api/link/self`: unique on (user, installID); an instance whose secret hashes to `legacy` is adopted.
    func pairSelf(
        user: UserID, installID: String, name: String?, legacy: [SecretHash], from: String, newKey: InstanceSecret, limit: Int,
        now: WallTime
    ) async throws(StoreError) -> SelfPairResult
    /// What owners decided about downloads, for all instances for which one did.
    func policies() async throws(StoreError) -> [InstanceID: InstancePolicy]
    /// Nil when the user has no such instance; the default when nothing was decided.
    func policy(of id: InstanceID, of user: UserID) async throws(StoreError) -> InstancePolicy?
    /// False when the user has no such instance.
    func setPolicy(_ policy: InstancePolicy, of id: InstanceID, of user: UserID) async throws(StoreError) -> Bool
    /// Moves the last-seen times forward, in one transaction; unknown instances are skipped.
    func touch(_ seen: [InstanceID: WallTime]) async throws(StoreError)
    /// Keeps what a draining relay's room still owes its members, sealed, for the next process; replaces an older one.
    /// Nothing happens for an instance that is gone.
    func shelveRoom(_ id: InstanceID, _ sealed: [UInt8], at: WallTime) async throws(StoreError)
    /// The instances for which something is kept, whatever its age.
    func shelvedRooms() async throws(StoreError) -> Set<InstanceID>
    /// What is kept for it, which stays there; nil when there is none from `notBefore` or later.
    func shelvedRoom(_ id: InstanceID, notBefore: WallTime) async throws(StoreError) -> [UInt8]?
    /// Takes it, once; nil when there is none from `notBefore` or later.
    func unshelveRoom(_ id: InstanceID, notBefore: WallTime) async throws(StoreError) -> [UInt8]?
    /// Deletes instances that were never activated and whose codes have run out, and keys idle since before `keysIdleSince`
    /// (nil = never); prunes old tombstones, spent codes, tickets, web sessions. Returns the deleted instances, the
    /// never-activated ones included: somebody may be waiting in their rooms.
    func expire(now: WallTime, keysIdleSince: WallTime?) async throws(StoreError) -> [InstanceRecord]
}

extension LinkStore {
    package var measures: StoreMeasures? { nil }
}
