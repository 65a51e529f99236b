// mongo-java-server as today's drivers accept it, and such that an acknowledged write survives a kill of this process.

import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import org.h2.mvstore.MVStore;

public final class MongoStandIn {
    /** With H2's own 16, of 20,000 bookings most are read from the file and decoded anew at each call. */
    private static final int CACHE_MIB = 128;

    /** The library's own 5.0 names wire version 8, which current drivers refuse. */
    private static final class Version implements MongoVersion {
        @Override
        public List<Integer> getVersionArray() {
            return Arrays.asList(5, 0, 0);
        }

        @Override
        public int getWireVersion() {
            return 13;
        }
    }

    /** Commits before a write is answered; H2 by itself writes about once a second. */
    private static final class DurableBackend extends H2Backend {
        private static final Set<String> WRITES = Set.of(
                "insert", "update", "delete", "findAndModify", "createIndexes", "create", "drop", "dropDatabase");

        DurableBackend(MVStore store) {
            super(store);
        }

        @Override
        public Document handleMessage(MongoMessage message) {
            Document answer = super.handleMessage(message);
            Iterator<String> keys = message.getDocument().keySet().iterator();
            if (keys.hasNext() && WRITES.contains(keys.next())) {
                commit();
            }
            return answer;
        }
    }

    public static void main(String[] arguments) {
        if (arguments.length != 2) {
            System.err.println("usage: MongoStandIn PORT FILE");
            System.exit(2);
        }
        int port = Integer.parseInt(arguments[0]);
        MVStore.Builder file = new MVStore.Builder().fileName(arguments[1]).cacheSize(CACHE_MIB);
        DurableBackend backend = new DurableBackend(file.open());
        backend.version(new Version());
        MongoServer server = new MongoServer(backend);
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        server.bind("127.0.0.1", port);
    }
}
