// What an owner does: issue, re-key, rename, delete, pair an install by account; and what happens by itself as time passes.
//
// Any thread. Every answer comes after its effect is durable and the directory agrees with it. Key texts are unsealed for
// their owner only, on the way out. SPDX-License-Identifier: Apache-2.0

package import LinkProtocol

extension KeyService {
    /// Codes drawn before giving up; at a million open codes one draw in sixteen is taken.
    private static let codeDraws = 16
    /// Touched instances written in one transaction.
    private static let touchBatch = 1000
    /// Longer names are cut, in UTF-8 bytes.
    package static let nameBytes = 200

    /// A new instance behind a new pairing code.
    package func issue(
        user: UserID, name: String?, origin: String?
    ) async throws(KeyError) -> (InstanceRecord, text: String, count: Int, limit: Int) {
        let name = name?.clipped(toBytes: Self.nameBytes)
        let origin = origin?.clipped(toBytes: Self.nameBytes)
        for _ in 0..<Self.codeDraws {
            let (code, secret, now) = try drawCode()
            let result = try await asking { [store, policy] () async throws(StoreError) in
                try await store.createInstance(
                    user: user, name: name, origin: origin, code: secret, limit: policy.instanceLimit, now: now)
            }
            switch result {
            case .created(let record, let count):
                noteDeadline(of: secret)
                events.note(.codeMade, of: record.id, at: now, wrongTries: wrongCodes.wrongCount)
                self.count { $0.issued &+= 1 }
                return (record, code.hex, count, policy.instanceLimit)
            case .limitReached(let count):
                throw .limitReached(count: count, limit: policy.instanceLimit)
            case .codeTaken:
                continue
            }
        }
        throw .unavailable
    }

    /// The same instance behind a new pairing code; what opened it before opens nothing from now on.
    package func rekey(
        _ id: InstanceID, of user: UserID
    ) async throws(KeyError) -> (InstanceRecord, text: String, count: Int, limit: Int) {
        for _ in 0..<Self.codeDraws {
            let (code, secret, now) = try drawCode()
            let epoch = directory.epoch
            let result = try await asking { [store] () async throws(StoreError) in
                try await store.rekeyInstance(id, of: user, code: secret, now: now)
            }
            switch result {
            case .rekeyed(let record, let count):
                directory.settle(record, since: epoch)
                noteDeadline(of: secret)
                events.note(.codeMade, of: record.id, at: now, wrongTries: wrongCodes.wrongCount)
                self.count { $0.issued &+= 1 }
                return (record, code.hex, count, policy.instanceLimit)
            case .notFound:
                throw .notFound
            case .codeTaken:
                continue
            }
        }
        throw .unavailable
    }

    /// Throws `.notFound` when the user has no such instance.
    package func rename(_ id: InstanceID, of user: UserID, name: String) async throws(KeyError) {
        let name = name.clipped(toBytes: Self.nameBytes)
        let isRenamed = try await asking { [store] () async throws(StoreError) in
            try await store.renameInstance(id, of: user, name: name)
        }
        if !isRenamed { throw .notFound }
    }

    /// Deletes; the caller kicks the room. Nil when the user has no such instance.
    package func delete(_ id: InstanceID, of user: UserID) async throws(KeyError) -> InstanceRecord? {
        let now = wallClock()
        let record = try await asking { [store] () async throws(StoreError) in
            try await store.deleteInstance(id, of: user, now: now)
        }
        if let record {
            directory.forget([record])
            forgetEvents(of: [record])
        }
        return record
    }

    /// The user's instances with their codes and keys in plain text; one that does not unseal has an empty text.
    package func list(of user: UserID) async throws(KeyError) -> [(InstanceRecord, keyText: String)] {
        let records = try await asking { [store] () async throws(StoreError) in try await store.instances(of: user) }
        return records.map { record in
            switch record.secret {
            case .code(_, let sealed, _), .key(_, let sealed): (record, vault.open(sealed) ?? "")
            }
        }
    }

    /// `POST /api/link/self`: the install's instance, made, adopted or re-keyed, behind a link key at once.
    ///
    /// The install's old socket must be told nothing: it is about to write its key file (PROTOCOL.md, "Life of a key", 5).
    package func pairSelf(
        user: UserID, installID: String, name: String?, legacyKey: String?, from: String = ""
    ) async throws(KeyError) -> (InstanceRecord, key: LinkKey, wasKnown: Bool) {
        guard let key = vault.randomKey(), let sealed = try? vault.seal(key: key) else { throw .unavailable }
        let secret = InstanceSecret.key(hash: vault.hash(.key(key)), sealed: sealed)
        let legacy = legacyKey.flatMap { JoinCredential(parsing: $0.utf8) }.map { [vault.hash($0)] } ?? []
        let name = name?.clipped(toBytes: Self.nameBytes)
        let now = wallClock()
        let epoch = directory.epoch
        let result = try await asking { [store, policy] () async throws(StoreError) in
            try await store.pairSelf(
                user: user, installID: installID, name: name, legacy: legacy, from: from, newKey: secret,
                limit: policy.instanceLimit, now: now)
        }
        switch result {
        case .paired(let record, let wasKnown):
            directory.settle(record, since: epoch)
            events.note(.paired(from: from), of: record.id, at: now, wrongTries: wrongCodes.wrongCount)
            return (record, key, wasKnown)
        case .limitReached(let count):
            throw .limitReached(count: count, limit: policy.instanceLimit)
        }
    }

    /// Removes a user with everything that is theirs; the caller kicks the rooms of the returned instances.
    package func removeUser(_ user: UserID) async throws(StoreError) -> [InstanceRecord] {
        let records = try await store.removeUser(user, now: wallClock())
        directory.forget(records)
        forgetEvents(of: records)
        return records
    }

    /// Notes that the room was in use just now; written with the next `flushSeen` or `expire`.
    ///
    /// Call it at joins and, while `keyIdleLifetime` is set, for occupied rooms once in a while: a member that stays for
    /// months never joins again.
    package func touch(_ room: RoomID) {
        let now = wallClock()
        seen.withLock { $0[room.instance] = max($0[room.instance] ?? now, now) }
    }

    /// Writes the noted last-seen times. What could not be written is noted again.
    package func flushSeen() async throws(StoreError) {
        var rest = seen.withLock { noted in
            defer { noted = [:] }
            return noted
        }
        while !rest.isEmpty {
            let batch = Dictionary(uniqueKeysWithValues: rest.prefix(Self.touchBatch).map { ($0.key, $0.value) })
            do {
                try await store.touch(batch)
            } catch {
                let unwritten = rest
                seen.withLock { $0.merge(unwritten, uniquingKeysWith: max) }
                throw error
            }
            for id in batch.keys { rest[id] = nil }
        }
    }

    /// Deletes what has run out, by order of time: unused codes with their instances, and idle keys. From a periodic task;
    /// the caller kicks the rooms of the returned instances.
    package func expire() async throws(StoreError) -> [InstanceRecord] {
        try await flushSeen()
        let now = wallClock()
        let idleSince = policy.keyIdleLifetime.map { now.addingClamped(-max(0, $0.wholeMilliseconds)) }
        let records = try await store.expire(now: now, keysIdleSince: idleSince)
        directory.forget(records)
        forgetEvents(of: records)
        pruneDeadlines(records)
        let unused = UInt64(clamping: records.count { !$0.isActivated })
        count { $0.expired &+= unused }
        return records
    }

    private func forgetEvents(of records: [InstanceRecord]) {
        events.forget(records)
        approvals.forget(records.map(\.id))
    }

    /// A deadline that has passed is kept while the wall clock may still think the code alive.
    private func pruneDeadlines(_ deleted: [InstanceRecord]) {
        let oldest = monotonic().addingClamped(-2 * max(0, min(policy.codeLifetime.wholeMilliseconds, 1 << 50)))
        codeDeadlines.withLock { deadlines in
            for record in deleted { deadlines[record.secret.hash] = nil }
            deadlines = deadlines.filter { $0.value > oldest }
        }
    }

    private func drawCode() throws(KeyError) -> (PairingCode, InstanceSecret, now: WallTime) {
        guard let code = vault.randomCode(), let sealed = try? vault.seal(code: code) else { throw .unavailable }
        let now = wallClock()
        let secret = InstanceSecret.code(
            hash: vault.hash(.code(code)), sealed: sealed,
            expiresAt: now.addingClamped(policy.codeLifetime.wholeMilliseconds))
        return (code, secret, now)
    }

    private func noteDeadline(of secret: InstanceSecret) {
        let deadline = monotonic().addingClamped(policy.codeLifetime.wholeMilliseconds)
        codeDeadlines.withLock { $0[secret.hash] = deadline }
    }

    private func asking<Answer: Sendable>(
        _ question: @Sendable () async throws(StoreError) -> Answer
    ) async throws(KeyError) -> Answer {
        do { return try await question() } catch { throw .store(error) }
    }
}
