// mongo-java-server as today's drivers accept it, and such that an acknowledged write survives a kill of this process.

import de.bwaldvogel.mongo.MongoCollection;
import de.bwaldvogel.mongo.MongoDatabase;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.CollectionOptions;
import de.bwaldvogel.mongo.backend.Index;
import de.bwaldvogel.mongo.backend.IndexKey;
import de.bwaldvogel.mongo.backend.KeyValue;
import de.bwaldvogel.mongo.backend.Missing;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.h2.H2Collection;
import de.bwaldvogel.mongo.backend.h2.H2Database;
import de.bwaldvogel.mongo.bson.BinData;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.bson.ObjectId;
import de.bwaldvogel.mongo.exception.KeyConstraintError;
import de.bwaldvogel.mongo.wire.bson.BsonDecoder;
import de.bwaldvogel.mongo.wire.bson.BsonEncoder;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.h2.mvstore.DataUtils;
import org.h2.mvstore.MVMap;
import org.h2.mvstore.MVStore;
import org.h2.mvstore.WriteBuffer;
import org.h2.mvstore.type.BasicDataType;
import org.h2.mvstore.type.ObjectDataType;

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

    /**
     * Keeps records and keys as BSON, as the real server does. By default H2 stores Java's own serialization and compares
     * keys by it, which took most of the time of every command.
     */
    private static final class BsonType extends BasicDataType<Object> {
        private static final byte RECORD = 0;
        private static final byte VALUE = 1;
        private static final byte KEY = 2;
        private static final byte OTHER = 3;
        private static final String FIELD = "v";

        /** For what BSON can't hold: a key that is missing. */
        private final ObjectDataType other = new ObjectDataType();

        private byte[] bytes(Object object) {
            ByteBuf out = Unpooled.buffer(64);
            if (object instanceof Document) {
                out.writeByte(RECORD);
                BsonEncoder.encodeDocument((Document) object, out);
            } else if (object instanceof KeyValue && !hasMissing((KeyValue) object)) {
                List<Object> values = new ArrayList<>();
                ((KeyValue) object).forEach(values::add);
                out.writeByte(KEY);
                BsonEncoder.encodeDocument(new Document(FIELD, values), out);
            } else if (object instanceof KeyValue || object instanceof Missing) {
                WriteBuffer buffer = new WriteBuffer();
                other.write(buffer, object);
                ByteBuffer written = buffer.getBuffer();
                written.flip();
                out.writeByte(OTHER);
                out.writeBytes(written);
            } else {
                out.writeByte(VALUE);
                BsonEncoder.encodeDocument(new Document(FIELD, object), out);
            }
            return ByteBufUtil.getBytes(out);
        }

        private static boolean hasMissing(KeyValue key) {
            return key.stream().anyMatch(Missing.class::isInstance);
        }

        @Override
        public int compare(Object one, Object other) {
            return one == other ? 0 : Arrays.compareUnsigned(bytes(one), bytes(other));
        }

        /** As Java holds it: the cache is bounded by this, and a page is split by it. */
        @Override
        public int getMemory(Object object) {
            int bytes = 32;
            if (object instanceof Map) {
                for (Map.Entry<?, ?> field : ((Map<?, ?>) object).entrySet()) {
                    bytes += 96 + field.getKey().toString().length() + getMemory(field.getValue());
                }
            } else if (object instanceof Iterable) {
                for (Object each : (Iterable<?>) object) {
                    bytes += getMemory(each);
                }
            } else if (object instanceof CharSequence) {
                bytes += ((CharSequence) object).length();
            } else if (object instanceof BinData) {
                bytes += ((BinData) object).getData().length;
            }
            return bytes;
        }

        @Override
        public void write(WriteBuffer buffer, Object object) {
            byte[] bytes = bytes(object);
            buffer.putVarInt(bytes.length).put(bytes);
        }

        @Override
        public Object read(ByteBuffer buffer) {
            byte[] bytes = new byte[DataUtils.readVarInt(buffer)];
            buffer.get(bytes);
            if (bytes[0] == OTHER) {
                return other.read(ByteBuffer.wrap(bytes, 1, bytes.length - 1));
            }
            Document document = BsonDecoder.decodeBson(Unpooled.wrappedBuffer(bytes, 1, bytes.length - 1));
            switch (bytes[0]) {
                case RECORD:
                    return document;
                case KEY:
                    return new KeyValue((List<?>) document.get(FIELD));
                default:
                    return document.get(FIELD);
            }
        }

        @Override
        public Object[] createStorage(int size) {
            return new Object[size];
        }
    }

    /** The library uses an index only for a query by its keys alone. With more fields it would read the whole collection. */
    private static final class ById extends Index<Object> {
        private final Index<Object> index;

        ById(Index<Object> index, boolean sparse) {
            super(index.getName(), index.getKeys(), sparse);
            this.index = index;
        }

        /** The part of a query that the index answers; the records found are compared with the whole of it. */
        private Document part(Document query) {
            Document part = new Document();
            for (String key : keys()) {
                if (query.containsKey(key)) {
                    part.put(key, query.get(key));
                }
            }
            return part;
        }

        @Override
        public boolean canHandle(Document query) {
            return index.canHandle(part(query));
        }

        @Override
        public Iterable<Object> getPositions(Document query) {
            return index.getPositions(part(query));
        }

        @Override
        public Object getPosition(Document document) {
            return index.getPosition(document);
        }

        @Override
        public void checkAdd(Document document, MongoCollection<Object> collection) {
            index.checkAdd(document, collection);
        }

        @Override
        public void add(Document document, Object position, MongoCollection<Object> collection) {
            index.add(document, position, collection);
        }

        @Override
        public Object remove(Document document) {
            return index.remove(document);
        }

        @Override
        public void checkUpdate(Document old, Document changed, MongoCollection<Object> collection) {
            index.checkUpdate(old, changed, collection);
        }

        @Override
        public void updateInPlace(Document old, Document changed, Object position, MongoCollection<Object> collection)
                throws KeyConstraintError {
            index.updateInPlace(old, changed, position, collection);
        }

        @Override
        public long getCount() {
            return index.getCount();
        }

        @Override
        public long getDataSize() {
            return index.getDataSize();
        }

        @Override
        public boolean isUnique() {
            return index.isUnique();
        }

        @Override
        public void drop() {
            index.drop();
        }
    }

    /**
     * An index that is not unique, of which the library has none: it finds records by the value of its first key. It is in
     * memory only; the library fills an empty index when it opens a collection.
     */
    private static final class ByFirstKey extends Index<Object> {
        private final String key;
        private final Map<KeyValue, Map<Object, Object>> found = new HashMap<>();

        ByFirstKey(String name, List<IndexKey> keys) {
            // To the library a sparse index is one that need not know a record.
            super(name, keys, true);
            key = keys.get(0).getKey();
        }

        private static KeyValue keyOf(Object value) {
            return new KeyValue(value).normalized();
        }

        private List<KeyValue> keysOf(Document document) {
            Object value = document.get(key);
            List<KeyValue> keys = new ArrayList<>();
            if (value instanceof Collection) {
                ((Collection<?>) value).forEach(each -> keys.add(keyOf(each)));
            } else if (value != null) {
                keys.add(keyOf(value));
            }
            return keys;
        }

        @Override
        public boolean canHandle(Document query) {
            Object value = query.get(key);
            return value instanceof ObjectId
                    || value instanceof BinData
                    || value instanceof String
                    || value instanceof Number
                    || value instanceof Boolean;
        }

        @Override
        public Iterable<Object> getPositions(Document query) {
            return List.copyOf(found.getOrDefault(keyOf(query.get(key)), Map.of()).values());
        }

        @Override
        public Object getPosition(Document document) {
            return null;
        }

        @Override
        public void checkAdd(Document document, MongoCollection<Object> collection) {}

        @Override
        public void add(Document document, Object position, MongoCollection<Object> collection) {
            for (KeyValue each : keysOf(document)) {
                found.computeIfAbsent(each, value -> new LinkedHashMap<>()).put(document.get("_id"), position);
            }
        }

        @Override
        public Object remove(Document document) {
            for (KeyValue each : keysOf(document)) {
                Map<Object, Object> positions = found.getOrDefault(each, Map.of());
                if (positions.containsKey(document.get("_id"))) {
                    positions.remove(document.get("_id"));
                    if (positions.isEmpty()) {
                        found.remove(each);
                    }
                }
            }
            return null;
        }

        @Override
        public void checkUpdate(Document old, Document changed, MongoCollection<Object> collection) {}

        @Override
        public void updateInPlace(Document old, Document changed, Object position, MongoCollection<Object> collection) {
            if (!keysOf(old).equals(keysOf(changed))) {
                remove(old);
                add(changed, position, collection);
            }
        }

        @Override
        public long getCount() {
            return found.size();
        }

        @Override
        public long getDataSize() {
            return 0;
        }

        @Override
        public void drop() {
            found.clear();
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
            BsonType type = new BsonType();
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
                    };
                }

                @Override
                protected Index<Object> openOrCreateUniqueIndex(
                        String collection, String index, List<IndexKey> keys, boolean sparse) {
                    open(getFullCollectionNamespace(collection) + "._index_" + index);
                    return new ById(super.openOrCreateUniqueIndex(collection, index, keys, sparse), sparse);
                }

                @Override
                protected Index<Object> openOrCreateSecondaryIndex(
                        String collection, String index, List<IndexKey> keys, boolean sparse) {
                    // A field of records in a list has many values a record, and is asked for by ranges.
                    return keys.get(0).getKey().contains(".")
                            ? super.openOrCreateSecondaryIndex(collection, index, keys, sparse)
                            : new ByFirstKey(index, keys);
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
