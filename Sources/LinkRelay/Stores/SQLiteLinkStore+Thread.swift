// The store's own thread: takes jobs in order, groups the writes among them into transactions, answers after the commit.
//
// All SQLite work happens on that thread (WorkerThread.swift). A job is answered exactly once. Writes that were
// waiting together share one transaction and thus one sync; one that fails is undone alone (its savepoint), and if the shared
// transaction itself is lost (disk full), each is tried again alone, so that nobody fails for a neighbour.
// A job may therefore run twice: it must depend on nothing but the database. A job that waits too long for its turn is withdrawn
// undone (SQLiteLinkStore+Patience.swift). SPDX-License-Identifier: Apache-2.0

/// Owns the connection, and with it the open database.
final class SQLiteWorker: ThreadWorker {
    /// Most jobs that share one transaction.
    static let batchCount = 256
    static let threadName = "store"
    private let connection: SQLiteConnection

    init(_ connection: sending SQLiteConnection) { self.connection = connection }

    func work(_ batch: [SQLiteJob]) {
        let firstWrite = batch.firstIndex { $0.isWrite } ?? batch.endIndex
        for job in batch[..<firstWrite] { read(job, connection) }
        if firstWrite < batch.endIndex { commitTogether(batch[firstWrite...], connection) }
    }

    private func read(_ job: SQLiteJob, _ connection: SQLiteConnection) {
        do {
            try connection.execute("BEGIN")
            try job.perform(connection)
            try connection.execute("COMMIT")
            job.finish(nil)
        } catch {
            rollBack(connection)
            job.finish(error)
        }
    }

    /// Reads queued after a write run in its transaction and are answered after its commit: nobody is told what might be lost.
    private func commitTogether(_ batch: ArraySlice<SQLiteJob>, _ connection: SQLiteConnection) {
        var failures: [StoreError?] = []
        do {
            try connection.execute("BEGIN IMMEDIATE")
        } catch {
            for job in batch { if job.isWrite { job.finish(error) } else { read(job, connection) } }
            return
        }
        do {
            for job in batch { failures.append(try performSaved(job, connection)) }
            try connection.execute("COMMIT")
        } catch {
            rollBack(connection)
            guard batch.count > 1 else {
                for job in batch { job.finish(error) }
                return
            }
            for job in batch { if job.isWrite { commitTogether([job], connection) } else { read(job, connection) } }
            return
        }
        for (job, failure) in zip(batch, failures) { job.finish(failure) }
    }

    /// The job's own failure, with nothing of it left behind; throws when the whole transaction is lost.
    private func performSaved(_ job: SQLiteJob, _ connection: SQLiteConnection) throws(StoreError) -> StoreError? {
        try connection.execute("SAVEPOINT job")
        do {
            try job.perform(connection)
        } catch {
            if connection.isAutocommit { throw error }
            try connection.execute("ROLLBACK TO job; RELEASE job")
            return error
        }
        try connection.execute("RELEASE job")
        return nil
    }

    private func rollBack(_ connection: SQLiteConnection) {
        // SQLite may have rolled back by itself; a failing rollback leaves nothing to be done.
        if !connection.isAutocommit { try? connection.execute("ROLLBACK") }
    }
}

extension WorkerThread where Worker == SQLiteWorker {
    /// Queues a job; after `stop` it is answered `.closed` at once.
    func ask(_ job: SQLiteJob) {
        if !submit(job) { job.finish(StoreError(.closed, "the store is closed")) }
    }
}

/// One piece of work for the store's thread.
///
/// Made on any thread; then performed and finished on the store's thread only, except for a refused one, which is finished
/// by whoever submitted it. Hence `@unchecked Sendable`.
class SQLiteJob: @unchecked Sendable {
    let isWrite: Bool
    let madeAt = ContinuousClock.now
    init(isWrite: Bool) { self.isWrite = isWrite }
    func perform(_ connection: SQLiteConnection) throws(StoreError) {}
    /// Answers with what `perform` found, or with `failure`.
    func finish(_ failure: StoreError?) {}
}

final class SQLiteQuestion<Answer: Sendable>: SQLiteJob, @unchecked Sendable {
    typealias Body = @Sendable (SQLiteConnection) throws(StoreError) -> Answer
    private let body: Body
    private let continuation: CheckedContinuation<Result<Answer, StoreError>, Never>
    private var answer: Answer?

    init(isWrite: Bool, continuation: CheckedContinuation<Result<Answer, StoreError>, Never>, body: @escaping Body) {
        self.body = body
        self.continuation = continuation
        super.init(isWrite: isWrite)
    }

    override func perform(_ connection: SQLiteConnection) throws(StoreError) { answer = try body(connection) }

    override func finish(_ failure: StoreError?) {
        if let failure {
            continuation.resume(returning: .failure(failure))
        } else if let answer {
            continuation.resume(returning: .success(answer))
        } else {
            continuation.resume(returning: .failure(StoreError(.io, "the job was never performed")))
        }
    }
}
