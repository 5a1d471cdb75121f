// What the directory of link keys may remember, in every order of events. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import Testing

@testable import LinkRelay

@Suite struct KeysDirectoryTests {
    private func record(_ id: Int64, _ number: UInt64) -> InstanceRecord {
        InstanceRecord(
            id: InstanceID(id), user: UserID(1), name: nil, secret: key(number), origin: nil, installID: nil,
            isOAuthPaired: false, createdAt: 0, lastSeenAt: nil)
    }

    @Test func anAnswerReadBeforeADeletionIsNotRememberedAfterIt() {
        let directory = KeyDirectory()
        let epoch = directory.epoch
        directory.settle(record(1, 101), since: epoch)
        #expect(directory.ticket(for: hash(101)) != nil)
        let before = directory.epoch
        directory.forget([record(1, 101)])
        #expect(!directory.remember(record(1, 101), readAfter: before))
        #expect(directory.ticket(for: hash(101)) == nil)
        #expect(directory.remember(record(2, 102), readAfter: directory.epoch))
        #expect(directory.ticket(for: hash(102))?.room == RoomID(InstanceID(2)))
    }

    /// Two re-keyings of one instance, committed in one order and heard of in either.
    @Test(arguments: [false, true])
    func twoRekeyingsAtOnceLeaveNoDeadKey(_ isReversed: Bool) {
        let directory = KeyDirectory()
        let epoch = directory.epoch
        let (dead, live) = (record(1, 101), record(1, 102))
        for settled in isReversed ? [live, dead] : [dead, live] { directory.settle(settled, since: epoch) }
        #expect(directory.ticket(for: hash(101)) == nil)
    }

    @Test func aNewKeyOfAnInstanceReplacesTheFormer() {
        let directory = KeyDirectory()
        directory.settle(record(1, 101), since: directory.epoch)
        directory.settle(record(1, 102), since: directory.epoch)
        #expect(directory.ticket(for: hash(101)) == nil)
        #expect(directory.ticket(for: hash(102)) != nil)
        #expect(directory.count == 1)
    }

    @Test func aReloadNamesTheRoomsThatAreGone() {
        let directory = KeyDirectory()
        for number in UInt64(1)...3 { directory.settle(record(Int64(number), 100 + number), since: directory.epoch) }
        let before = directory.epoch
        let gone = directory.replace(with: [record(1, 101), record(2, 202), record(4, 104)], readAfter: before)
        #expect(gone == [RoomTicket(room: RoomID(InstanceID(3)), user: UserID(1))])
        #expect(directory.ticket(for: hash(102)) == nil)
        #expect(directory.ticket(for: hash(202)) != nil && directory.ticket(for: hash(104)) != nil)
        #expect(directory.replace(with: [], readAfter: before) == nil)
        #expect(directory.count == 3)
    }
}
