// What the key service says about a credential presented in `join`. Values, any thread.
// SPDX-License-Identifier: Apache-2.0

package import LinkProtocol

/// A seat's worth of knowledge: which room a credential opened and whose it is. Holds no secret.
package struct RoomTicket: Sendable, Hashable {
    package var room: RoomID
    package var user: UserID
    package init(room: RoomID, user: UserID) { self.room = room; self.user = user }
}

package enum JoinDecision: Sendable {
    case admitted(RoomTicket)
    /// The code was exchanged just now (or is being repeated by the same extension): everyone in the room is told `newKey`.
    case exchanged(RoomTicket, newKey: LinkKey, isRepeat: Bool)
    /// The code is good; the owner is asked about this extension first.
    case awaitsApproval
    case refused(JoinRefusal)
}

package enum JoinRefusal: String, Sendable, CaseIterable {
    case unknownKey = "unknown_key"
    case unknownCode = "unknown_code"
    case spentCode = "spent_code"
    case expiredCode = "expired_code"
    /// Known to have been deleted; an `sd` presenting it is also sent `kicked`.
    case deletedKey = "deleted_key"
    /// Too many wrong codes from this address, or in total; long keys are never refused for this.
    case tooManyTries = "too_many_tries"
    /// The owner does not want this extension.
    case notApproved = "not_approved"

    /// Shown to the user as is by deployed clients; never empty (PROTOCOL.md, "Life of a key").
    package var sentence: String {
        switch self {
        case .unknownKey: "Invalid key. Create a new link and enter its code."
        case .unknownCode: "Invalid code. Check the six characters, or create a new link."
        case .spentCode: "This code has been used already. Create a new link."
        case .expiredCode: "This code has expired. Create a new link."
        case .deletedKey: "This link was removed. Create a new link and enter its code."
        case .notApproved: "The owner of this link did not approve this extension."
        case .tooManyTries: "Too many wrong codes. Wait a while, then try again."
        }
    }
}
