// How the stand-in for MongoDB keeps records and keys.

import de.bwaldvogel.mongo.backend.KeyValue;
import de.bwaldvogel.mongo.backend.Missing;
import de.bwaldvogel.mongo.bson.BinData;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.bson.ObjectId;
import de.bwaldvogel.mongo.wire.bson.BsonDecoder;
import de.bwaldvogel.mongo.wire.bson.BsonEncoder;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.h2.mvstore.DataUtils;
import org.h2.mvstore.WriteBuffer;
import org.h2.mvstore.type.BasicDataType;
import org.h2.mvstore.type.ObjectDataType;

final class Records {
    static final Stored STORED = new Stored();

    /**
     * The BSON of records as they were stored, as a page is written anew for each of its records. Of those that were only
     * read none is kept, unless their page is written: a look at all of a collection would fill the memory with it.
     */
    static final class Stored {
        private static final class Same extends WeakReference<Document> {
            private final int hash;

            Same(Document record, ReferenceQueue<Document> gone) {
                super(record, gone);
                hash = System.identityHashCode(record);
            }

            @Override
            public int hashCode() {
                return hash;
            }

            @Override
            public boolean equals(Object other) {
                return this == other || (other instanceof Same && get() != null && get() == ((Same) other).get());
            }
        }

        private final Map<Same, byte[]> known = new ConcurrentHashMap<>();
        private final ReferenceQueue<Document> gone = new ReferenceQueue<>();

        void keep(Document record, byte[] bytes) {
            for (Object ended = gone.poll(); ended != null; ended = gone.poll()) {
                known.remove(ended);
            }
            known.put(new Same(record, gone), bytes);
        }

        /** A record of its own that is as `record` is now. */
        Document copy(Document record) {
            Document copy = new Document(record);
            keep(copy, encoded(copy));
            return copy;
        }

        byte[] of(Document record) {
            byte[] bytes = known.get(new Same(record, null));
            if (bytes == null) {
                bytes = encoded(record);
                keep(record, bytes);
            }
            return bytes;
        }

        private static byte[] encoded(Document record) {
            ByteBuf out = Unpooled.buffer(256);
            BsonEncoder.encodeDocument(record, out);
            return ByteBufUtil.getBytes(out);
        }
    }

    /**
     * Keeps records and keys as BSON, as the real server does. By default H2 stores Java's own serialization and compares
     * keys by it, which took most of the time of every command.
     */
    static final class BsonType extends BasicDataType<Object> {
        private static final byte RECORD = 0;
        private static final byte VALUE = 1;
        private static final byte KEY = 2;
        private static final byte OTHER = 3;
        private static final byte ID = 4;
        private static final byte ID_KEY = 5;
        private static final String FIELD = "v";

        /** For what BSON can't hold: a key that is missing. */
        private final ObjectDataType other = new ObjectDataType();

        private byte kind(Object object) {
            if (object instanceof Document) {
                return RECORD;
            } else if (object instanceof ObjectId) {
                return ID;
            } else if (object instanceof KeyValue) {
                KeyValue key = (KeyValue) object;
                if (key.size() == 1 && key.get(0) instanceof ObjectId) {
                    return ID_KEY;
                }
                return key.stream().anyMatch(Missing.class::isInstance) ? OTHER : KEY;
            }
            return object instanceof Missing ? OTHER : VALUE;
        }

        private byte[] bytes(byte kind, Object object) {
            switch (kind) {
                case RECORD:
                    return STORED.of((Document) object);
                case ID:
                    return ((ObjectId) object).toByteArray();
                case ID_KEY:
                    return ((ObjectId) ((KeyValue) object).get(0)).toByteArray();
                case KEY:
                    List<Object> values = new ArrayList<>();
                    ((KeyValue) object).forEach(values::add);
                    return Stored.encoded(new Document(FIELD, values));
                case OTHER:
                    WriteBuffer buffer = new WriteBuffer();
                    other.write(buffer, object);
                    ByteBuffer written = buffer.getBuffer();
                    written.flip();
                    byte[] bytes = new byte[written.remaining()];
                    written.get(bytes);
                    return bytes;
                default:
                    return Stored.encoded(new Document(FIELD, object));
            }
        }

        @Override
        public int compare(Object one, Object other) {
            if (one == other) {
                return 0;
            }
            byte kind = kind(one);
            byte otherKind = kind(other);
            return kind != otherKind
                    ? Byte.compare(kind, otherKind)
                    : Arrays.compareUnsigned(bytes(kind, one), bytes(kind, other));
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
            byte kind = kind(object);
            byte[] bytes = bytes(kind, object);
            buffer.put(kind).putVarInt(bytes.length).put(bytes);
        }

        @Override
        public Object read(ByteBuffer buffer) {
            byte kind = buffer.get();
            byte[] bytes = new byte[DataUtils.readVarInt(buffer)];
            buffer.get(bytes);
            switch (kind) {
                case RECORD:
                    return BsonDecoder.decodeBson(Unpooled.wrappedBuffer(bytes));
                case ID:
                    return new ObjectId(bytes);
                case ID_KEY:
                    return new KeyValue(new ObjectId(bytes));
                case KEY:
                    return new KeyValue((List<?>) BsonDecoder.decodeBson(Unpooled.wrappedBuffer(bytes)).get(FIELD));
                case OTHER:
                    return other.read(ByteBuffer.wrap(bytes));
                default:
                    return BsonDecoder.decodeBson(Unpooled.wrappedBuffer(bytes)).get(FIELD);
            }
        }

        @Override
        public Object[] createStorage(int size) {
            return new Object[size];
        }
    }

    private Records() {}
}
