// mongo-java-server as today's drivers accept it, and such that an acknowledged write survives a kill of this process.

import de.bwaldvogel.mongo.MongoCollection;
import de.bwaldvogel.mongo.MongoDatabase;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.CollectionOptions;
import de.bwaldvogel.mongo.backend.Index;
import de.bwaldvogel.mongo.backend.IndexKey;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.h2.H2Collection;
import de.bwaldvogel.mongo.backend.h2.H2Database;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import org.h2.mvstore.MVMap;
import org.h2.mvstore.MVStore;

public final class MongoStandIn {
    /** With H2's own 16, of 20,000 bookings most are read from the file and decoded anew at each call. */
    private static final int CACHE_MIB = 128;

    /** Each commit writes whole pages, of which a batch of new records touches as many as it has records. */
    private static final int PAGE_BYTES = 8192;

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

        /** Opens the maps of records and keys before the library does: it takes what is open. */
        private void open(String map) {
            Records.BsonType type = new Records.BsonType();
            getMvStore().openMap(map, new MVMap.Builder<Object, Object>().keyType(type).valueType(type));
        }

        @Override
        protected MongoDatabase openOrCreateDatabase(String name) {
            return new H2Database(name, getMvStore(), getCursorRegistry()) {
                @Override
                protected MongoCollection<Object> openOrCreateCollection(String collection, CollectionOptions options) {
                    String name = getFullCollectionNamespace(collection);
                    open("databases." + name);
                    MVMap<Object, Document> records = getMvStore().openMap("databases." + name);
                    MVMap<String, Object> sizes = getMvStore().openMap("meta." + name);
                    return new H2Collection(this, collection, options, records, sizes, getCursorRegistry()) {
                        /** It would encode each record before and after a change only to know its length. */
                        @Override
                        protected boolean tracksDataSize() {
                            return false;
                        }

                        /**
                         * The library changes what it gets in place, also while another thread writes its page: here that is a
                         * copy. What it finds without an index it still changes itself.
                         */
                        @Override
                        protected Document getDocument(Object position) {
                            Document record = super.getDocument(position);
                            return record == null ? null : new Document(record);
                        }

                        @Override
                        protected Object addDocumentInternal(Document record) {
                            return super.addDocumentInternal(Records.STORED.copy(record));
                        }

                        @Override
                        protected void handleUpdate(Object position, Document before, Document record) {
                            super.handleUpdate(position, before, Records.STORED.copy(record));
                        }
                    };
                }

                @Override
                protected Index<Object> openOrCreateUniqueIndex(
                        String collection, String index, List<IndexKey> keys, boolean sparse) {
                    open(getFullCollectionNamespace(collection) + "._index_" + index);
                    return new Indexes.ById(super.openOrCreateUniqueIndex(collection, index, keys, sparse), sparse);
                }

                @Override
                protected Index<Object> openOrCreateSecondaryIndex(
                        String collection, String index, List<IndexKey> keys, boolean sparse) {
                    // A field of records in a list has many values a record, and is asked for by ranges.
                    return keys.get(0).getKey().contains(".")
                            ? super.openOrCreateSecondaryIndex(collection, index, keys, sparse)
                            : new Indexes.ByFirstKey(index, keys);
                }
            };
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
        MVStore.Builder file = new MVStore.Builder().fileName(arguments[1]).cacheSize(CACHE_MIB).pageSplitSize(PAGE_BYTES);
        DurableBackend backend = new DurableBackend(file.open());
        backend.version(new Version());
        MongoServer server = new MongoServer(backend);
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        server.bind("127.0.0.1", port);
    }
}
