// The commands about users, tokens and links. They work on the data directory, whether a relay runs on it or not.
//
// Main thread. What is secret is printed once, on standard output, and nowhere else. SPDX-License-Identifier: Apache-2.0

import LinkProtocol
import LinkRelay

struct AccountDesk {
    private let settings: Settings
    private let data: StorageDirectory

    init(_ settings: Settings) async throws(Failure) {
        self.settings = settings
        data = try await StorageDirectory.open(settings, mayMake: false)
    }

    func run(_ command: Command) async throws {
        switch command {
        case .signIn(let name):
            Terminal.say(try await signInAddress(for: try await user(name)))
            noteAbsence()
        case .newLink(let name, let label):
            try await newLink(for: try await user(name), name: label)
        case .newToken(let name, let label):
            let owner = try await user(name)
            Terminal.say(try await data.accounts.newToken(user: owner.id, label: label, scopes: scopes(of: owner)))
        case .addUser(let name):
            guard Accounts.isName(name) else {
                throw Failure(.usage, "\(LogText.quoted(name)) is no user name; use letters, digits and . _ - @, at most \(Accounts.nameBytes).")
            }
            guard let user = try await data.accounts.add(name: name, role: .user) else {
                throw Failure(.usage, "there is a user \(name) already; `relayd user list` shows all.")
            }
            Terminal.say(try await signInAddress(for: user))
        case .listUsers:
            for user in try await data.accounts.users() { Terminal.say("\(user.name)\t\(user.role.rawValue)") }
        case .removeUser(let name):
            try await remove(try await user(name))
        case .serve, .checkConfig, .ask, .backUp, .checkHealth, .help, .version:
            return
        }
    }

    /// The named user, or the owner.
    private func user(_ name: String?) async throws -> UserRecord {
        guard let name else { return try await data.accounts.ensureOwner().0 }
        guard let user = try await data.accounts.user(named: name) else {
            throw Failure(.usage, "there is no user \(LogText.quoted(name)); `relayd user list` shows all.")
        }
        return user
    }

    private func scopes(of user: UserRecord) -> Set<TokenScope> { user.role == .user ? [.link] : [.link, .admin] }

    private func signInAddress(for user: UserRecord) async throws -> String {
        let ticket = try await data.accounts.newTicket(user: user.id, lifetime: settings.signInLifetime)
        return SiteAddress.signIn(SiteAddress.choose(settings, bound: data.publishedAddress.map { [$0] } ?? []), ticket: ticket)
    }

    /// An address made in another directory than the relay's opens nothing, and looks like one that does.
    private func noteAbsence() {
        guard data.publishedAddress == nil, settings.publicURL == nil else { return }
        Terminal.complain("no relay runs on \(data.path) now; if yours has another --data-dir, repeat this with it.")
    }

    private func newLink(for user: UserRecord, name: String?) async throws {
        let keys = KeyService(
            store: data.store, vault: data.vault, policy: KeyPolicy(settings), wrongCodes: WrongCodeLimiter(),
            wallClock: LogClock.system.wall, monotonic: LogClock.system.monotonic)
        do {
            let (record, code, _, _) = try await keys.issue(user: user.id, name: name, origin: nil)
            Terminal.say("code: \(code)")
            if case .code(_, _, let expiresAt) = record.secret {
                Terminal.say("expires: \(Timestamp.iso8601(milliseconds: expiresAt)) (in \(DurationText.describe(settings.codeLifetime)))")
            }
        } catch .limitReached(let count, let limit) {
            throw Failure(.usage, "\(user.name) has \(count) links and may have \(limit); remove one, or raise instance-limit.")
        }
    }

    private func remove(_ user: UserRecord) async throws {
        guard user.role != .owner else {
            throw Failure(.usage, "\(user.name) is the owner and cannot be removed.")
        }
        let links = try await data.accounts.remove(user.id)
        Terminal.say("removed \(user.name) and \(links.count) links")
    }
}

extension KeyPolicy {
    init(_ settings: Settings) {
        self.init(
            codeLifetime: settings.codeLifetime, repeatGrace: settings.codeRepeatGrace, instanceLimit: settings.instanceLimit,
            keyIdleLifetime: settings.keyIdleLifetime, approvesExtensions: settings.approveExtensions)
    }
}
