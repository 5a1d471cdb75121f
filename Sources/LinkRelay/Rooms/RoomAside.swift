// What most rooms never have: vanished members, waiting commands, unheard results, a policy of their own.
//
// Owned by one room, used on its loop. Made when the first of these is changed and then kept; reading makes nothing. Room shows each as if it
// were its own. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

final class RoomAside {
    var ghosts: [Ghost] = []
    var held: [HeldCommand] = []
    var heldBytes = 0
    var unheard: [UnheardStatus] = []
    var unheardBytes = 0
    var recentEnds: RecentEnds?
    var ownPolicy: InstancePolicy?
    var heldBack: [Session] = []
    var pastTraffic = Traffic()
}

extension Room {
    private var madeAside: RoomAside {
        if let aside { return aside }
        let made = RoomAside()
        aside = made
        return made
    }

    /// Extensions that vanished and still count as present.
    var ghosts: [Ghost] {
        get { aside?.ghosts ?? [] }
        _modify { yield &madeAside.ghosts }
    }

    /// Commands waiting for an extension to return.
    var held: [HeldCommand] {
        get { aside?.held ?? [] }
        _modify { yield &madeAside.held }
    }

    var heldBytes: Int {
        get { aside?.heldBytes ?? 0 }
        _modify { yield &madeAside.heldBytes }
    }

    /// Ends of commands that their requesters may not have heard: clients that come are told.
    var unheard: [UnheardStatus] {
        get { aside?.unheard ?? [] }
        _modify { yield &madeAside.unheard }
    }

    var unheardBytes: Int {
        get { aside?.unheardBytes ?? 0 }
        _modify { yield &madeAside.unheardBytes }
    }

    /// Ends of commands that their requesters were sent a moment ago.
    var recentEnds: RecentEnds? {
        get { aside?.recentEnds }
        set { if newValue != nil || aside != nil { madeAside.recentEnds = newValue } }
    }

    /// What is kept for members that are away.
    var keptBytes: Int { aside.map { $0.heldBytes &+ $0.unheardBytes } ?? 0 }

    /// What the owner decided about downloads; nil = nothing.
    var ownPolicy: InstancePolicy? {
        get { aside?.ownPolicy }
        set { if newValue != nil || aside != nil { madeAside.ownPolicy = newValue } }
    }

    /// Input of these is held back until the room's queues shrink.
    var heldBack: [Session] {
        get { aside?.heldBack ?? [] }
        _modify { yield &madeAside.heldBack }
    }

    /// The traffic of members that are gone, for the operator.
    var pastTraffic: Traffic {
        get { aside?.pastTraffic ?? Traffic() }
        _modify { yield &madeAside.pastTraffic }
    }
}
