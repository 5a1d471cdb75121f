// Everything an operator can choose, with its default. The names, ranges and texts stand in SettingsTable.swift.
//
// A value, any thread; read once at start, and again on SIGHUP. Must never hold a secret: secrets live in the vault's file.
// SPDX-License-Identifier: Apache-2.0

/// What `relayd` runs with. Each property's name in kebab-case is the setting's name: `drainWindow` is `--drain-window`.
package struct Settings: Sendable, Equatable {
    // Where
    package var listen: [ListenAddress] = [ListenAddress.tcp(host: "127.0.0.1", port: 8787)]
    package var adminListen = AdminListen.standard
    /// Empty until the loader has chosen one.
    package var dataDir = ""
    package var publicURL: String?
    /// Host names beside localhost, numeric addresses and the public URL's host.
    package var hosts: [String] = []
    package var origins: [String] = []
    package var trustedProxies: [NetworkPrefix] = []
    package var userHeader: String?
    package var proxyProtocol = false
    package var tlsCert: String?
    package var tlsKey: String?
    package var tlsSelfSigned = false
    /// Zero = no Strict-Transport-Security.
    package var hstsMaxAge = Duration.zero
    /// 0 = one for each processor core.
    package var loops = 0
    // Log
    package var logLevel = Log.Level.info
    package var logFormat = LogFormat.logfmt
    // Links and accounts
    /// Per user; 0 = no limit.
    package var instanceLimit = 10
    package var codeLifetime = Duration.seconds(600)
    package var codeRepeatGrace = Duration.seconds(60)
    package var approveExtensions = false
    /// Nil = an unused key never expires.
    package var keyIdleLifetime: Duration?
    package var wrongCodeBurst = 5
    package var wrongCodeInterval = Duration.seconds(30)
    package var wrongCodesPerMinute = 60
    package var signInLifetime = Duration.seconds(600)
    /// A JWKS file; nil = no identity provider's tokens are taken.
    package var jwtKeys: String?
    package var jwtIssuer: String?
    package var jwtAudience: String?
    package var jwtUserClaim = "sub"
    /// Nil = no identity provider is asked about tokens.
    package var introspectionUrl: String?
    package var introspectionClientId: String?
    /// The file that holds the client's secret.
    package var introspectionSecret: String?
    // Presence and commands
    package var presenceGrace = Duration.seconds(10)
    package var heartbeatInterval = Duration.seconds(25)
    package var heartbeatTimeout = Duration.seconds(60)
    package var commandsInFlight = 256
    package var commandTimeout = Duration.seconds(900)
    package var resultRetention = Duration.seconds(120)
    package var heldCommandCount = 64
    package var heldCommandBytes = 8 << 20
    // Downloads
    package var commandPolicy = PolicyMode.strict
    /// Empty = every public host.
    package var downloadHosts: [String] = []
    package var downloadSuffixes = CommandPolicy.defaultSuffixes
    package var downloadLanHosts: [String] = []
    // Memory
    package var clientMessageBytes = 1 << 20
    package var sdMessageBytes = 32 << 20
    package var roomMemoryBytes = 64 << 20
    package var processMemoryBytes = 1 << 30
    package var memberQueueBytes = 4 << 20
    package var memberQueueCount = 1024
    package var pollBytes = 4 << 20
    package var headBytes = 16 << 10
    package var jsonDepth = 128
    package var fragmentCount = 131_072
    // Connections
    package var connectionCount = 20_000
    package var connectionsPerAddress = 200
    package var membersPerRoom = 64
    package var firstMessageTimeout = Duration.seconds(30)
    package var upgradeTimeout = Duration.seconds(10)
    package var headTimeout = Duration.seconds(10)
    package var bodyTimeout = Duration.seconds(30)
    package var keepaliveTimeout = Duration.seconds(65)
    package var drainWindow = Duration.seconds(5)
    package var compression = false
    package var compressionThresholdBytes = 1 << 10
    package var httpGzip = true
    // Tests
    /// While a file of this name exists, every call of the store fails.
    package var faultStore: String?

    package init() {}
}

extension Settings {
    /// Whether TCP listeners speak TLS; Unix sockets never do.
    package var usesTLS: Bool { tlsSelfSigned || tlsCert != nil }

    /// What commands may make an install download, unless a link's owner decided otherwise.
    package var policy: CommandPolicy {
        CommandPolicy(mode: commandPolicy, hosts: downloadHosts, suffixes: downloadSuffixes, lanHosts: downloadLanHosts)
    }

    /// The names under which requests are answered, beside localhost and numeric addresses.
    package var acceptedHosts: [String] {
        guard let publicURL, let host = RequestOrigin(configured: publicURL)?.host, !hosts.contains(host) else { return hosts }
        return hosts + [host]
    }

    /// The web origins whose scripts may connect. The public URL is ours, also where a proxy ends TLS and `Host` alone cannot
    /// tell that the page was loaded by https.
    package var acceptedOrigins: [String] {
        guard let publicURL, !origins.contains(publicURL) else { return origins }
        return origins + [publicURL]
    }

    /// `acceptedHosts` without ports and brackets.
    package var acceptedHostNames: [String] {
        acceptedHosts.compactMap { RequestAuthority($0, foldingCase: true)?.name.trimmingBrackets }
    }
}

extension String {
    fileprivate var trimmingBrackets: String { hasPrefix("[") ? String(dropFirst().dropLast()) : self }
}
