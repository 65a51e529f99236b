// The indexes of the stand-in for MongoDB, beside the library's own.

import de.bwaldvogel.mongo.MongoCollection;
import de.bwaldvogel.mongo.backend.Index;
import de.bwaldvogel.mongo.backend.IndexKey;
import de.bwaldvogel.mongo.backend.KeyValue;
import de.bwaldvogel.mongo.bson.BinData;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.bson.ObjectId;
import de.bwaldvogel.mongo.exception.KeyConstraintError;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

final class Indexes {
    /** The library uses an index only for a query by its keys alone. With more fields it would read the whole collection. */
    static final class ById extends Index<Object> {
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
    static final class ByFirstKey extends Index<Object> {
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

    private Indexes() {}
}
