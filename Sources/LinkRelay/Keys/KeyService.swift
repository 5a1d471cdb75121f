// The life of every pairing code and link key: what a credential opens, and what an owner does to it (KeyService+Owner.swift).
//
// Any thread. `cachedTicket` never blocks on the store; everything else awaits it, and answers once the effect is durable.
// A store that cannot answer is an error thrown, never a refusal: whoever is told "unknown key" forgets a good one.
//
// Clocks: what is stored expires by the wall clock, since it must survive a restart; a code known to this process also
// expires by the monotonic clock, and one with more time left than codes are given is dead. So a wall clock that jumps may
// end a life sooner, never later. Idle link keys are the other way round: a jump ends none. SPDX-License-Identifier: Apache-2.0

package import LinkProtocol

package final class KeyService: Sendable {
    let store: any LinkStore
    let vault: KeyVault
    let policy: KeyPolicy
    let wrongCodes: WrongCodeLimiter
    let wallClock: @Sendable () -> WallTime
    let monotonic: @Sendable () -> Int64
    /// Both clocks when this process began.
    private let begin: (wall: WallTime, ticks: Int64)
    let directory = KeyDirectory()
    /// Codes met by this process and when they die, in monotonic milliseconds. Bounded by the open codes of all users.
    let codeDeadlines = Locked<[SecretHash: Int64]>([:])
    let seen = Locked<[InstanceID: WallTime]>([:])
    let changeMark = Locked<Int64?>(nil)
    /// Rooms for which an earlier process left something on the shelf, and nobody took it yet.
    let shelved = Locked<Set<InstanceID>>([])
    /// What that was, for rooms that were put aside since then.
    let earlierDebts = Locked<[InstanceID: RoomDebts]>([:])
    let events = LinkEvents()
    let approvals = Approvals()
    private let counts = Locked(CodeCounts())

    /// `wallClock` in milliseconds since 1970, `monotonic` in milliseconds since any fixed point.
    package init(
        store: any LinkStore, vault: KeyVault, policy: KeyPolicy, wrongCodes: WrongCodeLimiter,
        wallClock: @escaping @Sendable () -> WallTime, monotonic: @escaping @Sendable () -> Int64
    ) {
        self.store = store
        self.vault = vault
        self.policy = policy
        self.wrongCodes = wrongCodes
        self.wallClock = wallClock
        self.monotonic = monotonic
        begin = (wallClock(), monotonic())
    }

    /// The wall clock, but never ahead of the time that this process has lived: for lives of keys, which must not end because a clock
    /// jumped forward.
    var cautiousNow: WallTime { min(wallClock(), begin.wall.addingClamped(monotonic().addingClamped(-begin.ticks))) }

    /// Checks that the store belongs to this vault, and fills the directory of link keys. Once, before the first join.
    ///
    /// Throws `.corrupt`, having changed nothing, when the stored keys were sealed with another master key.
    package func preload() async throws(StoreError) {
        let mark = vault.mark
        guard !mark.bytes.isEmpty, try await store.bindVault(mark) else {
            throw StoreError(
                .corrupt,
                "the stored keys belong to another master key: put back the \(KeyVault.fileName) that was in use "
                    + "(from a backup, or the service's credential), or move the database away to start afresh; "
                    + "nothing was changed")
        }
        changeMark.withLock { $0 = nil }
        let left = try await store.shelvedRooms()
        shelved.withLock { $0 = left }
        _ = try await reconcile()
    }

    /// Reads the directory again if another process (the command line) has changed the store, and returns the rooms that no
    /// key opens any more: the caller kicks them.
    package func reconcile() async throws(StoreError) -> [RoomTicket] {
        for _ in 0..<3 {
            let mark = try await store.changeMark()
            if changeMark.withLock({ $0 == mark }) { return [] }
            let epoch = directory.epoch
            let records = try await store.activatedInstances()
            if case .key(_, let sealed)? = records.first?.secret, vault.openKey(sealed) == nil {
                throw StoreError(.corrupt, "the stored keys do not open under this master key; restore a backup")
            }
            if let gone = directory.replace(with: records, readAfter: epoch) {
                changeMark.withLock { $0 = mark }
                return gone
            }
        }
        return []  // Keys change under our hands; the next call tries again.
    }

    /// The room that a link key opens, if the directory knows it. Takes a lock for one look-up.
    package func cachedTicket(for key: LinkKey) -> RoomTicket? { directory.ticket(for: vault.hash(.key(key))) }

    /// What codes came to since the start.
    var codeCounts: CodeCounts {
        var now = counts.withLock { $0 }
        now.wrong = wrongCodes.wrongCount
        now.refused = wrongCodes.refusedCount
        return now
    }

    /// Whether a new extension waits for its owner's word.
    var asksOwners: Bool { policy.approvesExtensions }

    func count(_ change: @Sendable (inout CodeCounts) -> Void) { counts.withLock { change(&$0) } }

    /// Link keys in the directory.
    package var liveKeyCount: Int { directory.count }

    /// Decides about a credential presented in `join` (PROTOCOL.md, "Life of a key").
    ///
    /// `installID` is what the extension called itself in `iam`; without one it is known by its address. `presenter` is needed where
    /// owners approve their extensions.
    package func resolve(
        _ credential: JoinCredential, role: Role, address: PeerAddress, installID: String?, presenter: Presenter? = nil
    ) async throws(StoreError) -> JoinDecision {
        switch credential {
        case .key(let key):
            return try await resolve(key: key)
        case .code(let code):
            let prefix = address.limitPrefix
            guard await wrongCodes.admit(prefix: prefix, now: monotonic()) else { return .refused(.tooManyTries) }
            do {
                let fingerprint = fingerprint(of: address, installID: installID)
                let (decision, isGuess) = try await resolve(
                    code: code, role: role, fingerprint: fingerprint, from: address.description, presenter: presenter)
                wrongCodes.settle(prefix: prefix, wasWrong: isGuess, now: monotonic())
                return decision
            } catch {
                wrongCodes.settle(prefix: prefix, wasWrong: false, now: monotonic())
                throw error
            }
        }
    }

    private func resolve(key: LinkKey) async throws(StoreError) -> JoinDecision {
        let hash = vault.hash(.key(key))
        if let ticket = directory.ticket(for: hash) { return .admitted(ticket) }
        var lookup = SecretLookup.unknown
        for _ in 0..<3 {
            let epoch = directory.epoch
            lookup = try await store.lookup(hash)
            // A key that died while the store was being read must not be remembered, nor admitted if that can be helped.
            guard case .live(let record) = lookup, !directory.remember(record, readAfter: epoch) else { break }
        }
        switch lookup {
        case .live(let record): return .admitted(RoomTicket(record))
        case .tombstone: return .refused(.deletedKey)
        case .spent, .unknown: return .refused(.unknownKey)
        }
    }

    /// The extension that may repeat a code: its install id if it has one, else where it comes from.
    private func fingerprint(of address: PeerAddress, installID: String?) -> SecretHash {
        if let installID, !installID.isEmpty { return vault.hash(fingerprint: [1] + Array(installID.utf8)) }
        return vault.hash(fingerprint: [2] + address.limitPrefix)
    }

    /// The decision, and whether it was a wrong guess.
    private func resolve(
        code: PairingCode, role: Role, fingerprint: SecretHash, from: String, presenter: Presenter?
    ) async throws(StoreError) -> (JoinDecision, isGuess: Bool) {
        let hash = vault.hash(.code(code))
        // Again, because between look-up and exchange somebody else may have been faster.
        for _ in 0..<3 {
            switch try await store.lookup(hash) {
            case .unknown:
                return (.refused(.unknownCode), true)
            case .tombstone:
                return (.refused(.expiredCode), true)
            case .spent(let record, let exchangedBy, let until):
                return try repeated(record, by: fingerprint, exchangedBy: exchangedBy, until: until, role: role)
            case .live(let record):
                guard isAlive(record, hash) else { return (.refused(.expiredCode), true) }
                guard role == .sd else { return (.admitted(RoomTicket(record)), false) }
                if let word = holdUp(presenter, at: hash, of: record.id, by: fingerprint, from: from) { return (word, false) }
                if let decision = try await exchange(hash, by: fingerprint, from: from) { return (decision, false) }
            }
        }
        return (.refused(.unknownCode), true)
    }

    private func repeated(
        _ record: InstanceRecord, by fingerprint: SecretHash, exchangedBy: SecretHash, until: WallTime, role: Role
    ) throws(StoreError) -> (JoinDecision, isGuess: Bool) {
        let isSame = role == .sd && fingerprint == exchangedBy
        guard isSame, case .key(_, let sealed) = record.secret,
            StoreRules.isAlive(expiresAt: until, now: wallClock(), life: policy.repeatGrace.wholeMilliseconds)
        else { return (.refused(.spentCode), !isSame) }
        guard let key = vault.openKey(sealed) else {
            throw StoreError(.corrupt, "the key of instance \(record.id) does not open under this master key")
        }
        return (.exchanged(RoomTicket(record), newKey: key, isRepeat: true), false)
    }

    /// Nil when the code is no longer what the look-up said: look again.
    private func exchange(
        _ code: SecretHash, by fingerprint: SecretHash, from: String
    ) async throws(StoreError) -> JoinDecision? {
        guard let key = vault.randomKey(), let sealed = try? vault.seal(key: key) else {
            throw StoreError(.io, "no random bytes")
        }
        let now = wallClock()
        let epoch = directory.epoch
        let result = try await store.exchange(
            code: code, by: fingerprint, from: from, newKey: .key(hash: vault.hash(.key(key)), sealed: sealed),
            repeatableUntil: now.addingClamped(policy.repeatGrace.wholeMilliseconds), now: now)
        switch result {
        case .exchanged(let record):
            directory.settle(record, since: epoch)
            codeDeadlines.withLock { $0[code] = nil }
            approvals.forget([record.id])
            events.note(.paired(from: from), of: record.id, at: now, wrongTries: wrongCodes.wrongCount)
            count { $0.exchanged &+= 1 }
            return .exchanged(RoomTicket(record), newKey: key, isRepeat: false)
        case .alreadySpent, .expired, .unknown:
            return nil
        }
    }

    /// By both clocks; see the head of the file.
    private func isAlive(_ record: InstanceRecord, _ hash: SecretHash) -> Bool {
        guard case .code(_, _, let expiresAt) = record.secret else { return false }
        let now = wallClock()
        let life = policy.codeLifetime.wholeMilliseconds
        guard StoreRules.isAlive(expiresAt: expiresAt, now: now, life: life) else { return false }
        let ticks = monotonic()
        let deadline = codeDeadlines.withLock {
            let deadline = min($0[hash] ?? .max, ticks.addingClamped(expiresAt - now))
            $0[hash] = deadline
            return deadline
        }
        return ticks < deadline
    }
}
