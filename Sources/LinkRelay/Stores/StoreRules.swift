// The numbers that every store keeps to, and what "alive" means for a stored expiry.
//
// Pure values, any thread. SPDX-License-Identifier: Apache-2.0

package enum StoreRules {
    /// How long a room's debts wait on the shelf for the next process.
    static let shelvedRoomMilliseconds: Int64 = 600_000

    /// How long a question may wait for its turn while the disk hangs; then it is withdrawn, in milliseconds.
    static let queueMilliseconds: Int64 = 3000
    /// After how long whoever asked is answered, whatever the disk does, in milliseconds.
    static let answerMilliseconds: Int64 = 8000

    /// How many unspent codes of one user are usable at a time. Few live codes keep guessing hopeless.
    package static let openCodeCount = 3
    /// The longest life of a sign-in ticket, in milliseconds.
    package static let ticketLifeMilliseconds: Int64 = 24 * 3_600_000
    /// The life of a web session's cookie, in milliseconds.
    package static let webSessionLifeMilliseconds: Int64 = 30 * 24 * 3_600_000
    /// How long a deleted link key is told apart from one that never was: 400 days in milliseconds.
    static let keyTombstoneMilliseconds: Int64 = 400 * 24 * 3_600_000
    /// How long a code that ran out unused, or was spent, is told apart from a wrong one: one day in milliseconds.
    static let codeTombstoneMilliseconds: Int64 = 24 * 3_600_000

    /// Whether something that may live `life` milliseconds at most, and is stored with `expiresAt`, is alive at `now`.
    ///
    /// More time left than it was ever given means that the wall clock was set back after it was stored. It is dead then:
    /// a jump of the clock may end a life sooner, never later.
    package static func isAlive(expiresAt: WallTime, now: WallTime, life: Int64) -> Bool {
        let (left, overflow) = expiresAt.subtractingReportingOverflow(now)
        return !overflow && left > 0 && left <= life
    }
}
