//! With feature `openapi`: takes the files that the page of the document needs out of Swagger UI's archive, packed as they are there.
//!
//! Nine tenths of the archive is never asked for, and each image would carry it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "openapi")]
    swagger_ui::pack();
}

#[cfg(feature = "openapi")]
mod swagger_ui {
    use std::io::{Cursor, Read};
    use std::path::Path;
    use std::{env, fs};

    use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
    use zip::{CompressionMethod, ZipArchive};

    const FILES: [&str; 3] = [
        "swagger-ui.css",
        "swagger-ui-bundle.js",
        "swagger-ui-standalone-preset.js",
    ];

    pub(super) fn pack() {
        let folder = env::var_os("OUT_DIR").expect("cargo names a folder");
        let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED)).expect("an archive");
        for file in FILES {
            let end = format!("/dist/{file}");
            let name = archive
                .file_names()
                .filter_map(Result::ok)
                .find(|name| name.ends_with(&end) && name.matches('/').count() == 2)
                .map(|name| name.into_owned());
            let place = name.and_then(|name| archive.index_for_name(&name));
            let place = place.unwrap_or_else(|| panic!("Swagger UI has no {file}"));
            let mut entry = archive.by_index_raw(place).expect("an entry");
            assert_eq!(entry.compression(), CompressionMethod::Deflated, "{file}");
            // A file of gzip (RFC 1952) is the same stream between a head and its sums.
            let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
            entry.read_to_end(&mut packed).expect("an entry in memory");
            packed.extend(entry.crc32().to_le_bytes());
            let size = u32::try_from(entry.size()).expect("a file of a page");
            packed.extend(size.to_le_bytes());
            fs::write(Path::new(&folder).join(format!("{file}.gz")), packed).expect("a place for it");
        }
    }
}
