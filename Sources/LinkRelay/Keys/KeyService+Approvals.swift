// Who waits for an owner's approval, told to the owner, and the owner's word. Any thread. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

extension KeyService {
    /// Asks what the owner thinks of an extension at a live code. Nil: it may have the key.
    func holdUp(
        _ presenter: Presenter?, at code: SecretHash, of id: InstanceID, by fingerprint: SecretHash, from: String
    ) -> JoinDecision? {
        guard policy.approvesExtensions else { return nil }
        guard let presenter else { return .refused(.notApproved) }
        let applicant = Applicant(
            number: presenter.serial, name: presenter.name?.clipped(toBytes: Self.nameBytes), from: from, at: wallClock(),
            fingerprint: fingerprint, tell: presenter.tell)
        switch approvals.judge(applicant, at: code, of: id) {
        case .approved: return nil
        case .refused: return .refused(.notApproved)
        case .full: return .refused(.tooManyTries)
        case .waits: return .awaitsApproval
        }
    }

    /// The user's links at which extensions wait, with these.
    func applicants(of user: UserID) async throws(KeyError) -> [(id: InstanceID, applicants: [Applicant])] {
        let records: [InstanceRecord]
        do { records = try await store.instances(of: user) } catch { throw .store(error) }
        return records.compactMap { record in
            guard !record.isActivated else { return nil }
            let waiting = approvals.waiting(at: record.id)
            return waiting.isEmpty ? nil : (record.id, waiting)
        }
    }

    /// Throws `.notFound` when the user has no such link or nobody of that number waits at it.
    func decide(_ number: UInt64, of id: InstanceID, by user: UserID, isApproved: Bool) async throws(KeyError) {
        let record: InstanceRecord?
        do { record = try await store.instance(id) } catch { throw .store(error) }
        guard record?.user == user, approvals.decide(number, of: id, isApproved: isApproved) else { throw .notFound }
    }

    /// The session waits no longer.
    package func withdraw(_ serial: UInt64) {
        if policy.approvesExtensions { approvals.withdraw(serial) }
    }
}
