// ElasticMQ that listens only once it has its queues and messages back. Its own main class listens first: for some tenths of
// a second after a start it answers that queues are empty or unknown, and a queue that a client makes then is there twice.

import com.typesafe.config.ConfigFactory;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.actor.Props;
import org.apache.pekko.pattern.Patterns;
import org.apache.pekko.util.Timeout;
import org.elasticmq.Limits;
import org.elasticmq.actor.QueueManagerActor;
import org.elasticmq.actor.queue.QueueEvent;
import org.elasticmq.persistence.sql.SqlQueuePersistenceActor;
import org.elasticmq.rest.sqs.SQSRestServer;
import org.elasticmq.rest.sqs.TheSQSRestServerBuilder;
import org.elasticmq.server.config.ElasticMQServerConfig;
import org.elasticmq.util.NowProvider;
import scala.Option;
import scala.concurrent.Await;
import scala.concurrent.duration.Duration;
import scala.util.Either;

public final class RestoredQueues {
    private static final int SECONDS = 50;

    public static void main(String[] arguments) {
        try {
            start();
        } catch (Throwable error) {
            // The actors' threads would keep the process.
            error.printStackTrace();
            System.exit(1);
        }
    }

    private static void start() throws Exception {
        ElasticMQServerConfig config = new ElasticMQServerConfig(ConfigFactory.load());
        Limits limits = (Limits) config.restSqs().sqsLimits();
        ActorSystem system = ActorSystem.create("elasticmq");
        ActorRef store = system.actorOf(Props.create(
                SqlQueuePersistenceActor.class,
                () -> new SqlQueuePersistenceActor(config.sqlQueuePersistenceConfig(), config.baseQueues())));
        ActorRef queues = system.actorOf(Props.create(
                QueueManagerActor.class,
                () -> new QueueManagerActor(new NowProvider(), limits, Option.apply(store))));

        Object restored = Await.result(
                Patterns.ask(store, new QueueEvent.Restore(queues), Timeout.apply(SECONDS, TimeUnit.SECONDS)),
                Duration.apply(SECONDS, TimeUnit.SECONDS));
        if (!(restored instanceof Either) || ((Either<?, ?>) restored).isLeft()) {
            throw new IllegalStateException("cannot restore the queues: " + restored);
        }
        SQSRestServer server = new TheSQSRestServerBuilder(
                        Option.apply(system),
                        Option.apply(queues),
                        config.restSqs().bindHostname(),
                        config.restSqs().bindPort(),
                        config.nodeAddress(),
                        config.generateNodeAddress(),
                        limits,
                        config.awsRegion(),
                        config.awsAccountId(),
                        Option.apply(store),
                        config.autoCreateQueues())
                .start();
        server.waitUntilStarted();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                Await.result(server.stopAndGetFuture().apply(), Duration.apply(SECONDS, TimeUnit.SECONDS));
                Await.result(system.terminate(), Duration.apply(SECONDS, TimeUnit.SECONDS));
            } catch (Exception error) {
                System.err.println("cannot stop: " + error);
            }
        }));
    }
}
