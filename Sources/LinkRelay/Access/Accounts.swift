// Who is asking: bearer tokens for programs, a sign-in ticket and a cookie for the relay's own page.
//
// Any thread; everything awaits the store. Tokens, tickets and cookies are random, handed out once and kept as keyed hashes:
// the look-up by hash takes the same time whatever was guessed. Never decides what a caller may do, only who it is.
// SPDX-License-Identifier: Apache-2.0

package final class Accounts: Sendable {
    package static let ownerName = "owner"
    /// Longest user name and token label, in UTF-8 bytes.
    package static let nameBytes = 64
    /// No token, ticket or cookie of ours is longer; whatever is gets no hash.
    private static let credentialBytes = 256
    /// A token's last use is written at most once in this many milliseconds.
    private static let touchMilliseconds: Int64 = 3_600_000

    private let store: any LinkStore
    private let vault: KeyVault
    private let wallClock: @Sendable () -> WallTime

    /// `wallClock` in milliseconds since 1970.
    package init(store: any LinkStore, vault: KeyVault, wallClock: @escaping @Sendable () -> WallTime) {
        self.store = store
        self.vault = vault
        self.wallClock = wallClock
    }

    /// Milliseconds since 1970.
    func now() -> WallTime { wallClock() }

    // Users.

    package func users() async throws(StoreError) -> [UserRecord] { try await store.users() }

    package func user(named name: String) async throws(StoreError) -> UserRecord? {
        try await store.users().first { $0.name == name }
    }

    /// Whether `name` may name a user: 1 to `nameBytes` of ASCII letters, digits and "._-@", no dash in front.
    package static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= nameBytes && name.utf8.first != UInt8(ascii: "-")
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"),
                    UInt8(ascii: "@"):
                    true
                default: false
                }
            }
    }

    /// Nil when the name is taken or is none (`isName`).
    package func add(name: String, role: UserRole) async throws(StoreError) -> UserRecord? {
        guard Self.isName(name) else { return nil }
        return try await store.addUser(name: name, role: role, now: wallClock())
    }

    /// Removes a user with everything that is theirs. For the command line; a running relay uses `KeyService.removeUser`,
    /// which also forgets the keys, or notices by `KeyService.reconcile`.
    package func remove(_ user: UserID) async throws(StoreError) -> [InstanceRecord] {
        try await store.removeUser(user, now: wallClock())
    }

    /// The first start's user: everything works for one person without setting up accounts.
    package func ensureOwner() async throws(StoreError) -> (UserRecord, isNew: Bool) {
        for _ in 0..<2 {
            let users = try await store.users()
            if let owner = users.first(where: { $0.role == .owner }) ?? users.first(where: { $0.name == Self.ownerName }) {
                return (owner, false)
            }
            if let owner = try await store.addUser(name: Self.ownerName, role: .owner, now: wallClock()) {
                return (owner, true)
            }
            // Another process was faster; it is in the list now.
        }
        throw StoreError(.busy, "the owner was added and removed by another process")
    }

    // Tokens.

    /// The owner of a bearer token and what it permits; nil for a wrong one.
    package func authenticateBearer(_ token: String) async throws(StoreError) -> (UserRecord, Set<TokenScope>)? {
        try await bearer(token).map { ($0.user, $0.token.scopes) }
    }

    /// Like `authenticateBearer`, with the token's record.
    package func bearer(_ token: String) async throws(StoreError) -> (user: UserRecord, token: TokenRecord)? {
        guard Self.isCredible(token) else { return nil }
        guard let (user, record) = try await store.tokenOwner(vault.hash(token: token)) else { return nil }
        let now = wallClock()
        // A damaged database may hold any number.
        if now.addingClamped(-max(record.lastUsedAt ?? .min, .min / 2)) >= Self.touchMilliseconds {
            // For display only: a store that cannot write must not sign anybody out.
            try? await store.touchToken(record.id, at: now)
        }
        return (user, record)
    }

    /// A new bearer token, told this once.
    package func newToken(user: UserID, label: String, scopes: Set<TokenScope>) async throws(StoreError) -> String {
        try await makeToken(user: user, label: label, scopes: scopes).token
    }

    /// Like `newToken`, with its record.
    func makeToken(
        user: UserID, label: String, scopes: Set<TokenScope>
    ) async throws(StoreError) -> (record: TokenRecord, token: String) {
        let token = try Self.drawn(vault.randomToken())
        let record = try await store.addToken(
            user: user, hash: vault.hash(token: token), label: label.clipped(toBytes: Self.nameBytes), scopes: scopes,
            now: wallClock())
        return (record, token)
    }

    package func tokens(of user: UserID) async throws(StoreError) -> [TokenRecord] { try await store.tokens(of: user) }

    /// False when the user has no such token.
    package func removeToken(_ id: Int64, of user: UserID) async throws(StoreError) -> Bool {
        try await store.removeToken(id, of: user)
    }

    // The page's sign-in.

    /// A sign-in ticket that works once; `lifetime` is capped at `StoreRules.ticketLifeMilliseconds`.
    package func newTicket(user: UserID, lifetime: Duration = .seconds(600)) async throws(StoreError) -> String {
        let ticket = try Self.drawn(vault.randomText())
        let life = min(max(1, lifetime.wholeMilliseconds), StoreRules.ticketLifeMilliseconds)
        try await store.addTicket(vault.hash(ticket: ticket), user: user, expiresAt: wallClock().addingClamped(life))
        return ticket
    }

    /// Spends a ticket for a web session; nil when it is unknown, spent or expired.
    package func redeem(ticket: String) async throws(StoreError) -> (cookie: String, UserRecord)? {
        guard Self.isCredible(ticket) else { return nil }
        guard let user = try await store.redeemTicket(vault.hash(ticket: ticket), now: wallClock()) else { return nil }
        return (try await newWebSession(user: user.id), user)
    }

    /// The value of a new session's cookie, good for `StoreRules.webSessionLifeMilliseconds`.
    /// One opened with a token permits what the token permits, and ends with it.
    package func newWebSession(user: UserID, token: Int64? = nil) async throws(StoreError) -> String {
        let cookie = try Self.drawn(vault.randomText())
        try await store.addWebSession(
            vault.hash(cookie: cookie), user: user, token: token,
            expiresAt: wallClock().addingClamped(StoreRules.webSessionLifeMilliseconds))
        return cookie
    }

    /// Whose session it is and what it permits.
    package func webSession(_ cookie: String) async throws(StoreError) -> (UserRecord, Set<TokenScope>)? {
        guard Self.isCredible(cookie) else { return nil }
        return try await store.webSessionOwner(vault.hash(cookie: cookie), now: wallClock())
    }

    package func signOut(_ cookie: String) async throws(StoreError) {
        guard Self.isCredible(cookie) else { return }
        try await store.removeWebSession(vault.hash(cookie: cookie))
    }

    package func signOutEverywhere(_ user: UserID) async throws(StoreError) {
        try await store.removeWebSessions(of: user)
    }

    private static func isCredible(_ text: String) -> Bool { !text.isEmpty && text.utf8.count <= credentialBytes }

    private static func drawn(_ text: String?) throws(StoreError) -> String {
        guard let text else { throw StoreError(.io, "no random bytes") }
        return text
    }
}
